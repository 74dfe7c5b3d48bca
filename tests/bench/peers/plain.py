"""The usual app for the same job, in one file: the SDK's calls, and a thread for each job that
sleeps, asks and yields.

DASHSCOPE_API_KEY and DASHSCOPE_HTTP_BASE_URL are the SDK's own; PORT is where it serves, POLL how
many seconds it sleeps between two questions.
"""

import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import gradio as gr
from dashscope import VideoSynthesis

POLL = float(os.environ.get("POLL", "15"))
SIZES = ["1280*720", "720*1280", "960*960", "1088*832", "832*1088"]
Update = tuple[str, str | None]


def image_to_video(
    image: str | None, prompt: str, negative_prompt: str, resolution: str, duration: float
) -> Iterator[Update]:
    """Makes a clip of one picture."""
    if not image:
        raise gr.Error("Choose a picture.")
    yield from follow(
        VideoSynthesis.async_call(
            model="wan2.6-i2v-flash",
            prompt=prompt,
            negative_prompt=negative_prompt,
            img_url=f"file://{image}",
            resolution=resolution,
            duration=int(duration),
        )
    )


def reference_to_video(
    files: Sequence[str] | None, prompt: str, model: str, size: str, duration: float
) -> Iterator[Update]:
    """Makes a clip of what is seen in references."""
    if not files:
        raise gr.Error("Choose at least one reference.")
    yield from follow(
        VideoSynthesis.async_call(
            model=model,
            prompt=prompt,
            reference_urls=[f"file://{file}" for file in files],
            size=size,
            duration=int(duration),
        )
    )


def follow(answer: object) -> Iterator[Update]:
    """Asks until the task has ended, and loads its video."""
    if answer.status_code != HTTPStatus.OK:
        raise gr.Error(f"{answer.code}: {answer.message}")
    task, begun = answer.output.task_id, time.monotonic()
    while True:
        answer = VideoSynthesis.fetch(task)
        status = answer.output.task_status
        yield f"{status} after {time.monotonic() - begun:.0f} s", None
        if status not in ("PENDING", "RUNNING"):
            break
        time.sleep(POLL)
    if status != "SUCCEEDED":
        raise gr.Error(f"{answer.output.code}: {answer.output.message}")
    with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as video:
        video.write(urllib.request.urlopen(answer.output.video_url).read())  # noqa: S310 - of the service
    yield "SUCCEEDED", video.name


with gr.Blocks(title="Wan 2.6") as demo:
    gr.Markdown("# Wan 2.6")
    with gr.Tab("Image to video"), gr.Row():
        with gr.Column():
            image = gr.Image(type="filepath", label="Picture")
            prompt = gr.Textbox(label="Prompt", lines=3)
            with gr.Accordion("More", open=False):
                negative = gr.Textbox(label="Negative prompt")
            resolution = gr.Radio(["720P", "1080P"], value="720P", label="Resolution")
            duration = gr.Slider(2, 15, value=5, step=1, label="Seconds")
            make = gr.Button("Generate", variant="primary")
        with gr.Column():
            status, video = gr.Textbox(label="Status"), gr.Video(label="Video")
        make.click(
            image_to_video,
            [image, prompt, negative, resolution, duration],
            [status, video],
            concurrency_limit=None,
        )
    with gr.Tab("Reference to video"), gr.Row():
        with gr.Column():
            files = gr.File(file_count="multiple", type="filepath", label="References")
            prompt = gr.Textbox(label="Prompt", lines=3)
            model = gr.Dropdown(["wan2.6-r2v-flash", "wan2.6-r2v"], label="Model")
            size = gr.Dropdown(SIZES, label="Size")
            duration = gr.Slider(2, 10, value=5, step=1, label="Seconds")
            make = gr.Button("Generate", variant="primary")
        with gr.Column():
            status, video = gr.Textbox(label="Status"), gr.Video(label="Video")
        make.click(
            reference_to_video,
            [files, prompt, model, size, duration],
            [status, video],
            concurrency_limit=None,
        )

if __name__ == "__main__":
    demo.queue().launch(server_port=int(os.environ["PORT"]), max_threads=400)
