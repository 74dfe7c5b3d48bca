"""Every sentence that the service says to people, in English and Chinese, by key.

A `Sentence` is a key and its values: it is stored on a job as it is and put into words when somebody reads it, in their language. The words of the
page itself (labels, buttons, hints) stand in `wan/ui/text.py`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from wan.domain.plain_text import escaped

Language = Literal["en", "zh"]


class Sentence(BaseModel):
    """Something to be read by people: the key of a template in `SENTENCES` and the values that go into it."""

    model_config = ConfigDict(frozen=True)

    key: str
    values: dict[str, str | int | float] = {}

    @field_validator("values")
    @classmethod
    def _plain(cls, values: dict[str, str | int | float]) -> dict[str, str | int | float]:
        """Whatever is quoted, be it the service's or a file's name, steers no terminal and hides nothing."""
        return {name: escaped(value) if isinstance(value, str) else value for name, value in values.items()}

    def say(self, language: Language = "en") -> str:
        """The sentence in words."""
        return SENTENCES[self.key][language == "zh"].format(**self.values)

    def __str__(self) -> str:
        return self.say()


def sentence(key: str, **values: str | int | float) -> Sentence:
    """A sentence by its key; raises KeyError for a key or a value that the template lacks, so that a slip shows where it is made."""
    made = Sentence(key=key, values=values)
    made.say()
    return made


# key: (English, Chinese). Refusals name the field, what was given, what is allowed.
SENTENCES: dict[str, tuple[str, str]] = {
    # input that is refused before anything is sent
    "field_unknown": ("{field}: there is no such field; known are {known}.", "{field}：没有这个字段；可用字段：{known}。"),
    "field_missing": ("Field required: {field}.", "缺少必填项：{field}。"),
    "field_type": ("{field}: got {given}; allowed is {allowed}.", "{field}：收到 {given}；允许 {allowed}。"),
    "model_unknown": ("{field}: got {given}; allowed is exactly one of {allowed}.", "{field}：收到 {given}；只允许 {allowed}。"),
    "prompt_missing": (
        "{field}: it is empty; say in 1 to {high} characters what shall happen.",
        "{field}：内容为空；请用 1 到 {high} 个字符说明要发生什么。",
    ),
    "text_long": ("{field}: got {given} characters; allowed are at most {high}.", "{field}：收到 {given} 个字符；最多 {high} 个。"),
    "text_odd": (
        "{field}: character {place} is {given}, which cannot be sent; allowed is text with line breaks and tabs.",
        "{field}：第 {place} 个字符是 {given}，无法发送；只允许文本、换行和制表符。",
    ),
    "prompt_long_with_motion": (
        "{field}: got {given} characters with the words for the motion strength; allowed are at most {high}.",
        "{field}：加上运动强度的描述共 {given} 个字符；最多 {high} 个。",
    ),
    "duration_range": (
        "{field}: got {given}; {model} allows whole seconds from {low} to {high}.",
        "{field}：收到 {given}；{model} 只允许 {low} 到 {high} 的整数秒。",
    ),
    "size_unknown": ("{field}: got {given}; allowed is one of {allowed}.", "{field}：收到 {given}；只允许 {allowed}。"),
    "seed_range": ("{field}: got {given}; allowed are whole numbers from 0 to {high}.", "{field}：收到 {given}；只允许 0 到 {high} 的整数。"),
    "takes_range": ("{field}: got {given}; allowed are whole numbers from 1 to {high}.", "{field}：收到 {given}；只允许 1 到 {high} 的整数。"),
    "fps_range": (
        "{field}: got {given}; allowed are whole frames per second from {low} to {high}.",
        "{field}：收到 {given}；只允许 {low} 到 {high} 的整数帧率。",
    ),
    "motion_range": ("{field}: got {given}; allowed are numbers from 0 to 1.", "{field}：收到 {given}；只允许 0 到 1。"),
    "choice_unknown": ("{field}: got {given}; allowed is one of {allowed}.", "{field}：收到 {given}；只允许 {allowed}。"),
    "image_missing": (
        "Field required: input.img_url. reference_image: nothing was given; give one JPEG, PNG, BMP, WebP, HEIC or AVIF picture.",
        "缺少必填项：input.img_url。reference_image：未提供图片；请提供一张 JPEG、PNG、BMP、WebP、HEIC 或 AVIF 图片。",
    ),
    "references_missing": (
        "Field required: input.reference_urls. reference_video, reference_image: nothing was given; give 1 to {high} videos and pictures.",
        "缺少必填项：input.reference_urls。reference_video、reference_image：未提供素材；请提供 1 到 {high} 个视频或图片。",
    ),
    "references_many": ("{field}: got {given}; allowed are at most {high}.", "{field}：收到 {given} 个；最多 {high} 个。"),
    "image_unreadable": (
        "{field}: got something that does not open as a picture; allowed are JPEG, PNG, BMP, WebP, HEIC and AVIF.",
        "{field}：无法作为图片打开；允许 JPEG、PNG、BMP、WebP、HEIC、AVIF。",
    ),
    "image_kind": (
        "{field}: got a picture in {given}, which cannot be used; save it as JPEG or PNG. Allowed are JPEG, PNG, BMP, WebP, HEIC and AVIF.",
        "{field}：收到 {given} 图片，无法使用；请另存为 JPEG 或 PNG。允许 JPEG、PNG、BMP、WebP、HEIC、AVIF。",
    ),
    "image_is_video": (
        "{field}: got a video in {given}; a picture belongs here. Allowed are JPEG, PNG, BMP, WebP, HEIC and AVIF.",
        "{field}：收到 {given} 视频；这里需要图片。允许 JPEG、PNG、BMP、WebP、HEIC、AVIF。",
    ),
    "image_is_other": (
        "{field}: got a file in {given}, which is no picture; allowed are JPEG, PNG, BMP, WebP, HEIC and AVIF.",
        "{field}：收到 {given} 文件，不是图片；允许 JPEG、PNG、BMP、WebP、HEIC、AVIF。",
    ),
    "image_truncated": (
        "{field}: got a picture that breaks off in the middle; allowed are whole JPEG, PNG, BMP, WebP, HEIC and AVIF files.",
        "{field}：图片文件不完整；允许完整的 JPEG、PNG、BMP、WebP、HEIC、AVIF 文件。",
    ),
    "image_animated": (
        "{field}: got an animation of {given} frames; allowed is one still picture.",
        "{field}：收到 {given} 帧的动图；只允许静态图片。",
    ),
    "image_sides": (
        "{field}: got {given} px; allowed are sides from {low} to {high} px.",
        "{field}：收到 {given} 像素；边长允许 {low} 到 {high} 像素。",
    ),
    "file_large": ("{field}: got {given} MB; allowed are at most {high} MB.", "{field}：收到 {given} MB；最多 {high} MB。"),
    "file_missing": (
        "{field}: got {given}, which is not there; give a file that can be read, or an address that begins with http:// or https://.",
        "{field}：找不到 {given}；请提供可读取的文件，或以 http://、https:// 开头的地址。",
    ),
    "file_odd": (
        "{field}: got {given}, which is no file; give a file that can be read, or an address that begins with http:// or https://.",
        "{field}：{given} 不是文件；请提供可读取的文件，或以 http://、https:// 开头的地址。",
    ),
    "crowded": (
        "Too many pictures and clips are waiting to be looked at. Try again in a moment; nothing was sent or spent.",
        "等待检查的图片和视频太多，请稍后再试；尚未发送，也未产生费用。",
    ),
    "media_unsafe": (
        "{field}: got a file that cannot be opened within {seconds} s and {high} MB of memory; save it anew, or give a smaller one.",
        "{field}：文件无法在 {seconds} 秒和 {high} MB 内存内打开；请重新保存或换一个更小的文件。",
    ),
    "video_unreadable": (
        "{field}: got something that does not open as a video; allowed are MP4 and MOV.",
        "{field}：无法作为视频打开；允许 MP4 和 MOV。",
    ),
    "video_kind": (
        "{field}: got a video in {given}, which cannot be used; save it as MP4. Allowed are MP4 and MOV.",
        "{field}：收到 {given} 视频，无法使用；请另存为 MP4。允许 MP4 和 MOV。",
    ),
    "video_is_image": (
        "{field}: got a picture in {given}; a video belongs here. Allowed are MP4 and MOV.",
        "{field}：收到 {given} 图片；这里需要视频。允许 MP4 和 MOV。",
    ),
    "video_is_other": (
        "{field}: got a file in {given}, which is no video; allowed are MP4 and MOV.",
        "{field}：收到 {given} 文件，不是视频；允许 MP4 和 MOV。",
    ),
    "reference_unreadable": (
        "{field}: got something that opens neither as a picture nor as a video; "
        "allowed are pictures in JPEG, PNG, BMP, WebP, HEIC and AVIF, and videos in MP4 and MOV.",
        "{field}：既无法作为图片也无法作为视频打开；允许 JPEG、PNG、BMP、WebP、HEIC、AVIF 图片和 MP4、MOV 视频。",
    ),
    "reference_is_other": (
        "{field}: got a file in {given}, which is neither a picture nor a video; "
        "allowed are pictures in JPEG, PNG, BMP, WebP, HEIC and AVIF, and videos in MP4 and MOV.",
        "{field}：收到 {given} 文件，既不是图片也不是视频；允许 JPEG、PNG、BMP、WebP、HEIC、AVIF 图片和 MP4、MOV 视频。",
    ),
    "video_length": (
        "{field}: got {given} s; allowed are clips from {low} to {high} s.",
        "{field}：收到 {given} 秒；允许 {low} 到 {high} 秒的片段。",
    ),
    "video_codec": (
        "{field}: got a video in {given}; allowed are {allowed}.",
        "{field}：收到 {given} 编码的视频；允许 {allowed}。",
    ),
    "video_codec_unknown": (
        "{field}: got a video in a codec that nobody here can decode; allowed are {allowed}.",
        "{field}：视频编码无法识别；允许 {allowed}。",
    ),
    "video_truncated": (
        "{field}: got a video that breaks off in the middle; allowed are whole MP4 and MOV files.",
        "{field}：视频文件不完整；允许完整的 MP4 和 MOV 文件。",
    ),
    "video_without_pictures": (
        "{field}: got a video file with no moving pictures in it; allowed are MP4 and MOV with pictures.",
        "{field}：视频文件中没有画面；允许含画面的 MP4 和 MOV。",
    ),
    "video_rate": (
        "{field}: got {given} frames per second; allowed are at most {high}.",
        "{field}：收到每秒 {given} 帧；最多 {high} 帧。",
    ),
    "sound_unreadable": (
        "{field}: got something that does not open as a sound; allowed are WAV and MP3.",
        "{field}：无法作为音频打开；允许 WAV 和 MP3。",
    ),
    "sound_kind": (
        "{field}: got a sound in {given}, which cannot be used; save it as WAV or MP3.",
        "{field}：收到 {given} 音频，无法使用；请另存为 WAV 或 MP3。",
    ),
    "sound_is_image": (
        "{field}: got a picture in {given}; a sound belongs here. Allowed are WAV and MP3.",
        "{field}：收到 {given} 图片；这里需要音频。允许 WAV 和 MP3。",
    ),
    "sound_is_video": (
        "{field}: got a video in {given}; a sound belongs here. Save its sound as WAV or MP3.",
        "{field}：收到 {given} 视频；这里需要音频。请将其声音另存为 WAV 或 MP3。",
    ),
    "sound_is_other": (
        "{field}: got a file in {given}, which is no sound; allowed are WAV and MP3.",
        "{field}：收到 {given} 文件，不是音频；允许 WAV 和 MP3。",
    ),
    "sound_length": (
        "{field}: got a sound of {given} s; allowed are {low} to {high} s.",
        "{field}：收到 {given} 秒的音频；允许 {low} 到 {high} 秒。",
    ),
    "sound_twice": (
        "{field}: got {given}, and another in audio_url; allowed is one of the two.",
        "{field}：收到 {given}，audio_url 中还有另一个；两者只能提供其一。",
    ),
    "wait_range": ("wait: got {given}; allowed are seconds from 0 to {high}.", "wait：收到 {given}；允许 0 到 {high} 秒。"),
    "token_odd": (
        "{field}: got {given} characters; allowed are {low} to {high} printable ones that nobody can guess.",
        "{field}：收到 {given} 个字符；须为 {low} 至 {high} 个可打印字符，以免被猜到。",
    ),
    "view_only": ("This id only shows the job; whoever asked for it first can cancel it.", "此 ID 只能查看作业；最先提交的一方才能取消。"),
    "parameters_many": ("{field}: got {given} values; allowed are at most {high}.", "{field}：收到 {given} 个值；最多 {high} 个。"),
    "path_given": (
        "{field}: got {given}, a path or bare data, which nothing here opens. Upload the file first (gradio_client: handle_file; an agent: "
        "gradio upload-mcp), or give a data: URL or a public address.",
        "{field}：收到 {given}，这是路径或裸数据，此处不会打开。请先上传文件（gradio_client：handle_file；智能体：gradio upload-mcp），"
        "或提供 data: URL 或公网地址。",
    ),
    "url_bad": (
        "{field}: got {given}; allowed is a public address that begins with http:// or https://.",
        "{field}：收到 {given}；只允许以 http:// 或 https:// 开头的公网地址。",
    ),
    # what was adjusted
    "image_flattened": (
        "The picture had transparent parts; they were put on white, because the service takes none.",
        "图片含透明部分；服务不支持透明，已铺成白色底。",
    ),
    "image_upright": (
        "The photo was turned upright, as its camera noted.",
        "照片已按相机记录的方向转正。",
    ),
    "heif_converted": (
        "The picture was HEIC; it was turned into JPEG, because the service takes no HEIC.",
        "原图为 HEIC；服务不支持该格式，已转换为 JPEG。",
    ),
    "avif_converted": (
        "The picture was AVIF; it was turned into JPEG, because the service takes no AVIF.",
        "原图为 AVIF；服务不支持该格式，已转换为 JPEG。",
    ),
    "clip_sound_converted": (
        "The clip's sound was turned into AAC, because an MP4 or MOV cannot carry it as it was.",
        "视频的声音已转换为 AAC，因为 MP4 或 MOV 无法承载原格式。",
    ),
    "clip_sound_other": (
        "The clip's first sound track cannot be decoded; its next one was taken.",
        "视频的第一条音轨无法解码，已使用下一条。",
    ),
    "clip_sound_dropped": (
        "The clip's sound cannot be decoded; it was left out.",
        "视频的声音无法解码，已去除。",
    ),
    "clip_picture_other": (
        "The clip's first picture track cannot be decoded; its next one was taken.",
        "视频的第一条画面轨无法解码，已使用下一条。",
    ),
    "clip_timed": (
        "The clip's times stood still or went back; they were put in order.",
        "视频的时间戳有重复或倒退，已重新排列。",
    ),
    "image_cropped": (
        "The picture was {given} px; it was cropped and scaled to {size}, because the service follows the picture's shape.",
        "原图为 {given} 像素；服务按图片形状输出，因此已裁剪并缩放为 {size}。",
    ),
    "image_padded": (
        "The picture was {given} px; it was scaled and padded to {size}, because the service follows the picture's shape.",
        "原图为 {given} 像素；服务按图片形状输出，因此已缩放并补边为 {size}。",
    ),
    "video_slow": (
        "A reference video has {given} frames per second. Below {low} the service may refuse it, which costs nothing.",
        "有参考视频为每秒 {given} 帧；低于 {low} 帧时服务可能拒绝，此时不产生费用。",
    ),
    "image_scaled": (
        "The picture was {given} px; it was scaled to {size}.",
        "原图为 {given} 像素；已缩放为 {size}。",
    ),
    "size_as_tier": (
        "The service knows tiers, not sizes; {size} was ordered as {tier}.",
        "服务只有清晰度档位；{size} 按 {tier} 下单。",
    ),
    "size_scaled": (
        "The service made {given}; {size} was made from it.",
        "服务输出 {given}；已由其生成 {size}。",
    ),
    "fps_conformed": (
        "The service renders {given} fps; your {fps} fps were made from it.",
        "服务以 {given} fps 生成；已转换为您要的 {fps} fps。",
    ),
    "not_conformed": (
        "The video could not be brought to your size or frame rate ({code}); it is shown as the service made it.",
        "未能转换到您要的尺寸或帧率（{code}）；按服务原样显示。",
    ),
    "motion_worded": (
        "The service has no motion strength; {given} became these words in the prompt: “{words}”",
        "服务没有运动强度参数；{given} 已写入提示词：“{words}”",
    ),
    "shot_needs_extend": (
        "Several shots work only with prompt rewriting; it was switched on.",
        "多镜头需要开启提示词扩写；已开启。",
    ),
    "audio_silent": (
        "Sound is off, so the sound file was left out.",
        "已关闭声音，因此未使用音频文件。",
    ),
    "sound_converted": (
        "The sound was turned into plain 16-bit WAV in mono or stereo, because it is not known whether the service takes it as it was.",
        "音频已转换为普通的 16 位单声道或立体声 WAV，因为无法确定服务是否接受原格式。",
    ),
    "sound_cut": (
        "The sound is {given} s long and the video {seconds} s; the service cuts off the rest of the sound.",
        "音频长 {given} 秒，视频长 {seconds} 秒；服务会截去多出的音频。",
    ),
    "sound_ends": (
        "The sound is {given} s long and the video {seconds} s; the rest of the video is silent.",
        "音频长 {given} 秒，视频长 {seconds} 秒；视频其余部分没有声音。",
    ),
    # what is happening
    "queued": ("In line, {ordinal}. Cancelling is free.", "排队中，第 {place} 位。取消不收费。"),
    "uploading": ("Sending your pictures and clips. Cancelling is free.", "正在上传素材。取消不收费。"),
    "submitting": ("Sending the request.", "正在提交请求。"),
    "pending": ("With the service, not started yet. Cancelling is free.", "已提交，尚未开始。取消不收费。"),
    "running": ("Making the video.", "正在生成视频。"),
    "fetching": ("The video is made; bringing it home.", "视频已生成，正在取回。"),
    "uncertain": (
        "We sent the request but got no answer. We do not send it again, so that you never pay twice; we are asking the service whether it arrived.",
        "请求已发出但未收到回复。为避免重复扣费不会重发，正在向服务确认是否已送达。",
    ),
    "waits_for_key": (
        "This job waits for the key that it was started with. Enter that under Connection and check it; then the job goes on.",
        "该作业在等待提交时使用的 Key。请在“连接”中重新填写并检查，作业即会继续。",
    ),
    "waits_for_key_until": (
        "This job waits for the key that it was started with. Enter that under Connection and check it. "
        "The service keeps the result until {time} UTC; after that it is lost.",
        "该作业在等待提交时使用的 Key。请在“连接”中重新填写并检查。服务仅保留结果至 {time}（UTC），逾期将丢失。",
    ),
    "succeeded": ("Done.", "已完成。"),
    "cancelled": ("Cancelled. It cost nothing.", "已取消，未产生费用。"),
    # how it ended when it did not end well: what happened, whether it cost anything, what to do
    "refused": (
        "The service refused the request ({code}): {message} It cost nothing. Change what it names and generate again.",
        "服务拒绝了请求（{code}）：{message} 未产生费用。请按提示修改后重新生成。",
    ),
    "task_failed": (
        "The service could not make the video ({code}): {message} It cost nothing. Change what it names; the same again would fail again.",
        "服务未能生成视频（{code}）：{message} 未产生费用。请按提示修改；原样重试仍会失败。",
    ),
    "task_failed_for_now": (
        "The service could not make the video ({code}): {message} It cost nothing. Another try may help.",
        "服务未能生成视频（{code}）：{message} 未产生费用。可以再试一次。",
    ),
    "content_refused": (
        "The service's content check refused the prompt, a reference or the result ({code}). It cost nothing. Change the wording or the reference.",
        "内容审核未通过提示词、素材或结果（{code}）。未产生费用。请修改描述或更换素材。",
    ),
    "address_unfetched": (
        "The service could not fetch an address that it was given ({code}): {message} An address must open on the public internet without signing "
        "in, begin with https:// and not have expired; or give the file itself. It cost nothing.",
        "服务无法获取所给的地址（{code}）：{message} 地址须能在公网直接打开（无需登录）、以 https:// 开头且未过期；也可以直接上传文件。未产生费用。",
    ),
    "not_reached": (
        "The service cannot be reached at the moment. It cost nothing and is tried again by itself.",
        "暂时无法连接服务。未产生费用，将自动重试。",
    ),
    "busy": (
        "The service is asked too much at the moment ({code}). It cost nothing and is tried again by itself.",
        "服务请求过于频繁（{code}）。未产生费用，将自动重试。",
    ),
    "unusable": (
        "There was no usable answer from {where} ({code}). It cost nothing and is tried again by itself.",
        "{where} 未给出可用的应答（{code}）。未产生费用，将自动重试。",
    ),
    "not_reached_at": (
        "The service cannot be reached at the moment: {where}. It cost nothing and is tried again by itself.",
        "暂时无法连接服务：{where}。未产生费用，将自动重试。",
    ),
    "not_reached_unproxied": (
        "The service cannot be reached at the moment: {where}. It cost nothing and is tried again by itself. {name} is set here, but not used for "
        "the service; WAN_SERVICE_PROXY is.",
        "暂时无法连接服务：{where}。未产生费用，将自动重试。此处设置了 {name}，但连接服务时不使用它；请设置 WAN_SERVICE_PROXY。",
    ),
    "not_reached_through": (
        "The service cannot be reached at the moment: {where}, through the proxy ({proxy}). It cost nothing and is tried again by itself.",
        "暂时无法通过代理（{proxy}）连接服务：{where}。未产生费用，将自动重试。",
    ),
    "not_reached_certificate": (
        "The certificate of {where} is not believed ({reason}). It cost nothing and is tried again by itself. Where a company looks into "
        "connections, SSL_CERT_FILE has to name its certificate authority.",
        "{where} 的证书不受信任（{reason}）。未产生费用，将自动重试。若公司网络会检查加密连接，请用 SSL_CERT_FILE 指定其证书颁发机构。",
    ),
    "sound_refused": (
        "The service refused the sound file ({code}): {message} It cost nothing. Allowed are WAV and MP3 of {low} to {high} s and at most {most} MB.",
        "服务拒绝了音频文件（{code}）：{message} 未产生费用。服务接受 WAV 和 MP3，{low} 到 {high} 秒，最大 {most} MB。",
    ),
    "upload_failed": (
        "A reference could not be sent to the service: {message} It cost nothing. Try another file, or generate again later.",
        "素材未能上传到服务：{message} 未产生费用。请更换文件或稍后重试。",
    ),
    "upload_elsewhere": (
        "The service named {given} as the place for your files, which is not its own. Nothing was sent there; it is asked again by itself.",
        "服务给出的上传地址 {given} 不属于该服务。未向其发送任何内容，将自动重新询问。",
    ),
    "result_elsewhere": (
        "The video is made, but the service names {given} as its place, which is not its own. Nothing is fetched from there; "
        "the service is asked again for the 24 hours that it keeps the video.",
        "视频已生成，但服务给出的地址 {given} 不属于该服务，不会从中下载。服务保留视频的 24 小时内会继续询问。",
    ),
    "result_refused": (
        "The service made the video, so it is billed, but it cannot be kept: {message} Quote the task id to the service.",
        "服务已生成视频并将计费，但无法保存：{message} 请凭任务 ID 联系服务方。",
    ),
    "result_expired": (
        "The video was made and is billed, but it could not be brought home within 24 hours, and the service has deleted it. Quote the task id.",
        "视频已生成并计费，但 24 小时内未能取回，服务已将其删除。请凭任务 ID 联系服务方。",
    ),
    "task_unknown": (
        "The service no longer knows this task. It may have been billed; look it up in the service's console by its task id.",
        "服务已查不到该任务，可能已计费；请在控制台用任务 ID 查询。",
    ),
    "never_confirmed": (
        "We sent the request, got no answer, and could not learn within 24 hours whether it arrived. It is counted as spent; look in the console.",
        "请求已发出但 24 小时内无法确认是否送达，按已计费处理；请在控制台核对。",
    ),
    "never_arrived": (
        "The request never arrived at the service: its list of tasks shows none. It cost nothing. Generate again.",
        "请求未送达：服务的任务列表中没有它。未产生费用。请重新生成。",
    ),
    "cancelled_elsewhere": (
        "The task was cancelled at the service, not from here. It cost nothing.",
        "任务已在服务侧被取消，未产生费用。",
    ),
    "broke": (
        "Something broke on our side ({code}). It cost nothing. Generate again; the log tells more under the job's id.",
        "我们这边出错了（{code}）。未产生费用。请重新生成；日志中有该作业 ID 的详情。",
    ),
    # keys and settings
    "key_missing": (
        "This needs a Model Studio key. Set DASHSCOPE_API_KEY, or dashscope_api_key under [default] in ~/.alibabacloud/credentials; "
        "WAN_BACKEND=simulator needs none.",
        "需要百炼 API Key。请设置 DASHSCOPE_API_KEY，或在 ~/.alibabacloud/credentials 的 [default] 下填写 dashscope_api_key；"
        "WAN_BACKEND=simulator 无需 Key。",
    ),
    "key_malformed": (
        "{field}: what is set is no key; one begins with sk- or st-, goes on with four or more letters, digits or signs of ASCII, and has no spaces.",
        "{field}：设置的内容不是 Key；Key 以 sk- 或 st- 开头，其后至少四个 ASCII 字母、数字或符号，且不含空格。",
    ),
    "key_on_space": (
        "A key is set on a public Space without access rules, so it is not used: anyone could spend it. Bring your own under Connection, or try "
        "the demo. Whoever runs this page can set WAN_ACCESS_CODE, WAN_DAILY_BUDGET or WAN_LOGINS.",
        "公开 Space 上设置了 Key 但没有访问规则，任何人都能消费，因此不使用它。请在“连接”中使用自己的 Key，或试用演示。"
        "运营者可设置 WAN_ACCESS_CODE、WAN_DAILY_BUDGET 或 WAN_LOGINS。",
    ),
    "own_key_malformed": (
        "{field}: what was given is no key; a Model Studio key begins with sk- or st-, goes on with four or more letters, digits or signs of ASCII, "
        "and has no spaces.",
        "{field}：输入的内容不是 Key；百炼 Key 以 sk- 或 st- 开头，其后至少四个 ASCII 字母、数字或符号，且不含空格。",
    ),
    "region_unknown": ("{field}: got {given}; allowed is one of {allowed}.", "{field}：收到 {given}；只允许 {allowed}。"),
    "own_workspace_malformed": (
        "{field}: what was given is no workspace; allowed is its id (letters, digits, - and _) or its address at the service, "
        "https://{{workspace}}.{{region}}.maas.aliyuncs.com/api/v1.",
        "{field}：输入的内容不是业务空间；允许填写业务空间 ID（字母、数字、- 和 _）或其专属地址 https://{{workspace}}.{{region}}.maas.aliyuncs.com/api/v1。",
    ),
    "region_of_workspace": (
        "{field}: got {given}, but the address of the workspace is in {allowed}; allowed is the region of the workspace.",
        "{field}：收到 {given}，但业务空间的地址位于 {allowed}；请选择业务空间所在的地域。",
    ),
    "workspace_malformed": (
        "{field}: what was given is no workspace id; allowed are letters, digits, - and _.",
        "{field}：输入的内容不是业务空间 ID；只允许字母、数字、- 和 _。",
    ),
    # who may spend
    "code_missing": (
        "This needs the access code. Add it under Connection, or bring a key of your own. Nothing was sent.",
        "需要访问码。请在“连接”中填写，或使用自己的 Key。未发送任何内容。",
    ),
    "code_wrong": (
        "That is not the access code. Nothing was sent. Ask whoever runs this page for it.",
        "访问码不正确。未发送任何内容。请向此页面的运营者索取。",
    ),
    "code_wait": (
        "Too many wrong access codes from here. Nothing was sent. Try again in {seconds} s.",
        "访问码错误次数过多。未发送任何内容。请在 {seconds} 秒后重试。",
    ),
    "budget_spent": (
        "The day's budget of {budget} does not reach for this: {spent} are spent or promised, and this costs up to {price}. "
        "Nothing was sent. It begins anew at 00:00 UTC; a key of your own is not counted.",
        "今日预算 {budget} 不足：已用或预留 {spent}，本次最多 {price}。未发送任何内容。UTC 0 点重新计算；使用自己的 Key 不受限制。",
    ),
    "jobs_many": (
        "You have {high} jobs on their way, which is the limit here. Nothing was sent. Wait until one has ended, or cancel one.",
        "您已有 {high} 个作业在进行，已达上限。未发送任何内容。请等待其中一个结束或取消一个。",
    ),
    "address_jobs_many": (
        "From your address {high} jobs are on their way, which is the limit here. Nothing was sent. Wait until one has ended, or cancel one.",
        "来自您地址的作业已有 {high} 个在进行，已达上限。未发送任何内容。请等待其中一个结束或取消一个。",
    ),
    "takes_many": (
        "That would make {given} jobs of yours on their way; the limit here is {high}. Nothing was sent. "
        "Ask for fewer takes, or wait until some have ended.",
        "这样您会有 {given} 个作业在进行；上限为 {high} 个。未发送任何内容。请减少条数，或等待部分作业结束。",
    ),
    "forgotten": ("Your key and access code are forgotten here.", "已忘记您的 Key 和访问码。"),
    "forgotten_jobs": (
        "Your key is forgotten. Jobs of yours that are still on their way wait until you enter it again.",
        "已忘记您的 Key。仍在进行的作业会等待，直到您再次填写。",
    ),
    # what a check of the connection found
    "check_good": (
        "The key works: {where}. It was only asked for the list of its tasks; nothing was spent.",
        "Key 可用：{where}。仅查询了任务列表，未产生费用。",
    ),
    "check_simulator": ("This is the demo: the simulator answers, nothing is sent anywhere.", "当前为演示模式：由模拟服务应答，不会发送任何内容。"),
    "check_busy": ("The service is asked too much at the moment. Check again in a minute.", "服务请求过于频繁。请一分钟后再检查。"),
    "check_unreached": (
        "The service cannot be reached: {where}. Check the network of this server, and try again.",
        "无法连接服务：{where}。请检查服务器网络后重试。",
    ),
    "check_unproxied": (
        "The service cannot be reached: {where}. {name} is set here, but not used for the service; set WAN_SERVICE_PROXY, and try again.",
        "无法连接服务：{where}。此处设置了 {name}，但连接服务时不使用它；请设置 WAN_SERVICE_PROXY 后重试。",
    ),
    "check_through": (
        "The service cannot be reached: {where}, through the proxy ({proxy}). Check WAN_SERVICE_PROXY and what it lets through, and try again.",
        "无法通过代理（{proxy}）连接服务：{where}。请检查 WAN_SERVICE_PROXY 及其放行规则后重试。",
    ),
    "check_certificate": (
        "The certificate of {where} is not believed ({reason}). Where a company looks into connections, SSL_CERT_FILE has to name its certificate "
        "authority.",
        "{where} 的证书不受信任（{reason}）。若公司网络会检查加密连接，请用 SSL_CERT_FILE 指定其证书颁发机构。",
    ),
    "check_odd": ("The service answered with something else ({code}): {where}. Try again later.", "服务返回异常（{code}）：{where}。请稍后重试。"),
    "setting_bad": ("{field}: got {given}; allowed is {allowed}.", "{field}：收到 {given}；允许 {allowed}。"),
    "setting_no_text": ("{field}: what is set is no text in UTF-8; set it anew.", "{field}：设置的内容不是 UTF-8 文本；请重新设置。"),
    "settings_file": ("{file}: this file cannot be used: {reason}.", "{file}：无法使用该文件：{reason}。"),
    "authority_unused": (
        "{name} names no certificates that can be used ({reason}); it does not count.",
        "{name} 指定的证书无法使用（{reason}），已忽略。",
    ),
    "folder_no_database": (
        "{field}: no database can be kept in this folder: {reason}. Set WAN_DATABASE_URL to postgresql://…, or to sqlite:////… with a folder on a "
        "disk of this machine.",
        "{field}：该文件夹无法存放数据库：{reason}。请将 WAN_DATABASE_URL 设为 postgresql://…，或设为本机磁盘上的 sqlite:////… 路径。",
    ),
    "port_taken": (
        "{field}: port {port} is taken; stop what listens there, or set another port.",
        "{field}：端口 {port} 已被占用；请停止占用它的程序，或设置其他端口。",
    ),
    "mcp_missing": (
        'WAN_MCP needs a package more; install it with: pip install "gradio[mcp]" -r requirements.txt',
        'WAN_MCP 需要另装一个包：pip install "gradio[mcp]" -r requirements.txt',
    ),
    "simulator_down": (
        "The demo's simulator did not start: {message} Nothing was sent.",
        "演示用的模拟服务未能启动：{message} 未发送任何内容。",
    ),
    # our own disk and database: what is wrong, that it cost nothing, what to do
    "database_busy": (
        "Something else holds the app's database, so this was not done: nothing was sent or spent. Jobs on their way go on. Try again in a minute.",
        "应用的数据库被其他程序占用，本次操作未执行：未发送任何内容，未产生费用。进行中的作业会继续。请稍后再试。",
    ),
    "database_adrift": (
        "Something took the log of the app's database away, so this was not done: nothing was sent or spent. It is being put right. Try again soon.",
        "应用数据库的日志被移走，本次操作未执行：未发送任何内容，未产生费用。正在恢复，请稍后再试。",
    ),
    "database_readonly": (
        "The app's database cannot be written, so this was not done: nothing was sent or spent. Whoever runs the app has to make it writable.",
        "应用的数据库不可写，本次操作未执行：未发送任何内容，未产生费用。请联系运行者恢复写入权限。",
    ),
    "database_down": (
        "The app's database does not work at the moment ({code}), so this was not done. Try again later: the same request is never paid twice.",
        "应用的数据库暂时不可用（{code}），本次操作未执行。请稍后再试：同一请求不会重复付费。",
    ),
    "storage_down": (
        "The place where files are kept does not work at the moment ({code}), so this was not done: nothing was sent or spent. Try again later.",
        "文件存储暂时不可用（{code}），本次操作未执行：未发送任何内容，未产生费用。请稍后再试。",
    ),
    "disk_full": (
        "The app's disk is full, so this was not done: nothing was sent or spent. Jobs on their way wait for room. Free some, then try again.",
        "应用的磁盘已满，本次操作未执行：未发送任何内容，未产生费用。进行中的作业会在有空间后继续。请清理后再试。",
    ),
    "disk_low": (
        "The disk has {given} MB left, and new work needs {low}. Nothing was sent or spent; jobs on their way go on. Free some, then try again.",
        "应用的磁盘仅剩 {given} MB，新作业需要 {low} MB：未发送任何内容，未产生费用。进行中的作业会继续。请清理后再试。",
    ),
    "paused": (
        "Our own disk or database takes nothing at the moment. Nothing is lost: the job goes on when it does.",
        "我们的磁盘或数据库暂时无法写入。不会丢失任何内容，恢复后作业会继续。",
    ),
    # asking about a job
    "job_missing": ("There is no such job.", "没有这个作业。"),
    "cancel_late": (
        "It has started and cannot be stopped. You can stop watching; it costs {price} if it succeeds.",
        "已开始生成，无法中止。可以停止查看；若成功将收费 {price}。",
    ),
    "cancel_late_free": (
        "It has started and cannot be stopped. You can stop watching; it is free in the demo.",
        "已开始生成，无法中止。可以停止查看；演示模式不收费。",
    ),
    "cancel_late_unpriced": (
        "It has started and cannot be stopped. You can stop watching; it is billed if it succeeds.",
        "已开始生成，无法中止。可以停止查看；若成功将计费。",
    ),
    "retry_elsewhere": (
        "This was made with another key, region or the demo. Generate it anew from the form, where you see its price first.",
        "该作业使用了其他 Key、地域或演示模式。请在表单中重新生成，以便先看到价格。",
    ),
    "may_pay_twice": (
        "It is not known whether the first run is billed. Trying again may be billed twice.",
        "无法确认前一次是否计费。重试可能重复计费。",
    ),
    "cancel_noted": (
        "Cancelling is noted; it is carried out as soon as the service has answered.",
        "已记下取消；收到服务回复后立即执行。",
    ),
    "delete_cancel_first": (
        "It is still on its way. Cancel it first; then it can be deleted.",
        "作业仍在进行中。请先取消，然后再删除。",
    ),
    "delete_made": (
        "It is being made and will be billed. It can be deleted when it has ended.",
        "视频正在生成并将计费。请在结束后再删除。",
    ),
    "delete_made_free": (
        "It is being made. It can be deleted when it has ended.",
        "视频正在生成。请在结束后再删除。",
    ),
    "cancel_over": ("It is over already; there is nothing to cancel.", "作业已结束，无需取消。"),
    # what is made of finished takes
    "takes_count": (
        "{field}: got {given}; a film is joined of {low} to {high} takes.",
        "{field}：收到 {given} 条；一部影片由 {low} 到 {high} 条拼接而成。",
    ),
    "take_without_video": (
        "{field}: the take with seed {given} has no video; choose takes that are done.",
        "{field}：种子为 {given} 的这一条没有视频；请选择已完成的视频。",
    ),
    # reviews
    "review_missing": ("This review is not there, or is closed.", "此评审不存在或已关闭。"),
    "review_takes_none": ("Choose at least one take in the Library first.", "请先在“作品库”中选择至少一条视频。"),
    "review_takes_many": ("{given} takes are chosen; a review holds at most {high}.", "已选择 {given} 条；一次评审最多 {high} 条。"),
    "review_take_unmade": (
        "One of the chosen takes has no video, or is gone. Choose only finished ones.",
        "所选视频中有一条尚未完成或已删除。请只选择已完成的视频。",
    ),
    "review_title_missing": ("Give the review a title.", "请填写评审标题。"),
    "reviews_many": ("You have {high} reviews. Delete one that you no longer need first.", "您已有 {high} 个评审，请先删除不再需要的。"),
    "review_take_unknown": ("There is no such take in this review.", "此评审中没有这条视频。"),
    "review_take_gone": ("This take has been deleted. What was said about it stays.", "这条视频已删除，已有的意见会保留。"),
    "review_verdict_unknown": ("Choose Yes, Maybe or No first.", "请先选择“可以”“待定”或“不行”。"),
    "review_reviewer_odd": ("This browser could not be told apart from others. Reload the page.", "无法识别此浏览器，请刷新页面。"),
    "review_moment_beyond": ("That moment is not in the video, which is {high} s long.", "该时刻不在视频内，视频长 {high} 秒。"),
    "review_comments_many": (
        "You have written {high} comments in this review, which is as many as it takes from one person. You can still change your verdicts.",
        "您已在此评审中发表 {high} 条评论，达到每人上限。您仍可更改意见。",
    ),
    "review_network_full": (
        "As much has been said from your network as this review takes from one; the rest is kept for others.",
        "来自您所在网络的意见已达此评审对单一网络的上限，余下的名额留给其他人。",
    ),
    "review_full": ("This review has taken all the words that it can hold ({high}).", "此评审的意见数量已达上限（{high}）。"),
    # scripts and the command line
    "run_failed": ("There is no video: {message}", "没有生成视频：{message}"),
    "not_asked": (
        "Nothing was sent: {about}. This spends money, and there is no terminal to ask at. Say --yes to run it.",
        "未发送任何内容：{about}。此操作会产生费用，且没有终端可供确认。请加上 --yes 运行。",
    ),
    "not_agreed": ("Not run. Nothing was sent or spent.", "未运行。未发送任何内容，未产生费用。"),
    "resume_elsewhere": (
        "This job was started on {backend} ({region}) with another key. Set the key, region and backend that it was started with, then resume it.",
        "该作业使用其他 Key 在 {backend}（{region}）上提交。请恢复当时的 Key、地域和后端设置后再继续。",
    ),
}

# Why the service, or something on the way to it, serves this account nothing: what is the matter and what to do (help centre, error codes, May 2026).
CAUSES: dict[str, tuple[str, str]] = {
    "key_unknown": (
        "The service ({where}) does not know this key ({code}). A key works in its own region only: if it was made in {others}, choose that; "
        "else check that it is whole and has not been deleted.",
        "服务（{where}）不认识该 API Key（{code}）。Key 只在所属地域有效：若它属于 {others}，请选择该地域；否则请检查 Key 是否完整、是否已被删除。",
    ),
    "free_quota_used": (
        "The free quota for this model is used up, and the account is set to stop there ({code}). To go on for money, switch off “free tier "
        "only” in the console of Model Studio; an account that is not verified has to be verified and topped up first.",
        "该模型的免费额度已用完，且账户设为用完即停（{code}）。如需付费继续，请在百炼控制台关闭“免费额度用完即停”；未实名认证的账户请先认证并充值。",
    ),
    "free_quota_over": (
        "The free quota for this model is used up or has expired, and the service does not sell more of it ({code}). Choose another model.",
        "该模型的免费额度已用完或过期，且暂不支持按量计费（{code}）。请改用其他模型。",
    ),
    "quota_used_up": (
        "The account's quota for this model is used up ({code}). Try again in a few minutes; where it stays so, have the limit raised in the "
        "console of Model Studio, under rate limits.",
        "该账户在此模型上的配额已用尽（{code}）。请几分钟后再试；若仍如此，请在百炼控制台的“限流提额”中提升限额。",
    ),
    "not_activated": (
        "Model Studio is not activated for this account ({code}). Open its console with the main account and accept the agreement.",
        "该账户尚未开通阿里云百炼（{code}）。请用主账号打开百炼控制台并同意协议，即可开通。",
    ),
    "model_denied": (
        "The workspace of this key may not use the model ({code}). Grant it the model in the console of Model Studio, under workspaces, or use "
        "a key of the default workspace.",
        "该 Key 所在的业务空间无权调用此模型（{code}）。请在百炼控制台的业务空间中授权该模型，或改用默认业务空间的 Key。",
    ),
    "workspace_denied": (
        "The key may not use this workspace, or there is none of this name ({code}). Check the id of the workspace and that the account is a "
        "member of it, or use a key of the main account.",
        "该 Key 无权访问此业务空间，或业务空间不存在（{code}）。请检查业务空间 ID 以及账号是否为其成员，或改用主账号的 Key。",
    ),
    "model_withdrawn": (
        "The service ({where}) gives no access to this model any more ({code}). Look in its list of models whether it has been retired, and "
        "choose another.",
        "服务（{where}）已不再提供此模型（{code}）。请在模型列表中确认它是否已下线，并改用其他模型。",
    ),
    "model_missing": (
        "The service ({where}) has no such model for this account ({code}). Activate it in the console of Model Studio, or try the region {others}.",
        "服务（{where}）没有可供该账户使用的此模型（{code}）。请在百炼控制台开通该模型，或改用地域 {others}。",
    ),
    "access_denied": (
        "The service ({where}) knows the key but does not allow this ({code}): {message} Check in its console what the key, its workspace and "
        "its account may use.",
        "服务（{where}）认识该 Key，但不允许此操作（{code}）：{message} 请在控制台检查该 Key、业务空间和账户的权限。",
    ),
    "arrears": (
        "The service says the account is not in good standing ({code}). Settle it in the console, under billing; it may take minutes to count.",
        "服务提示账户状态异常（{code}）。请在控制台的“费用与成本”中处理；到账可能需要几分钟。",
    ),
    "blocked": (
        "What answered is not the service but something on the way to it, such as a firewall, a proxy or a page to sign in ({code}). Whoever "
        "runs this server has to let it through to {where}.",
        "应答的不是该服务，而是途中的防火墙、代理或登录页（{code}）。请联系运行者放行到 {where} 的访问。",
    ),
}
SENTENCES |= {key: (f"{english} It cost nothing.", f"{chinese}未产生费用。") for key, (english, chinese) in CAUSES.items()}
SENTENCES |= {
    f"{key}_waits": (f"{english} The job waits, and goes on by itself when that is put right.", f"{chinese}作业会等待，处理好后自动继续。")
    for key, (english, chinese) in CAUSES.items()
}


def waiting(said: Sentence) -> Sentence | None:
    """The same cause said of a job that is not over by it; None for a sentence that is none of the `CAUSES`."""
    return Sentence(key=f"{said.key}_waits", values=said.values) if said.key in CAUSES else None
