"""A Gradio app with nothing in it."""

import os

import gradio as gr

with gr.Blocks() as demo:
    gr.Markdown("Empty")

if __name__ == "__main__":
    demo.launch(server_port=int(os.environ["PORT"]))
