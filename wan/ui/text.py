"""Every string of the page, in English and Chinese. What the service says about a job stands in `wan.words`.

Labels go through Gradio's own translation (`label`); cards carry both languages and the page shows the one of `<html lang>`, see `cards.py`. So both
follow the same switch, at once and in the middle of a run.
"""

from gradio.i18n import I18n, I18nData

TEXT: dict[str, tuple[str, str]] = {
    # header
    "tagline": ("Pictures and clips become video, with Wan 2.6", "用 Wan 2.6 把图片与片段变成视频"),
    "badge_demo_short": ("Demo", "演示"),
    "badge_demo": ("Demo: simulated videos", "演示：模拟视频"),
    "demo_note": (
        "Demo: these videos are simulated on this machine, nothing is sent anywhere.",
        "演示模式：视频在本机模拟生成，不会发送任何内容。",
    ),
    "region_cn-beijing": ("Beijing", "北京"),
    "region_ap-southeast-1": ("Singapore", "新加坡"),
    "fleeting": (
        "This Space has no lasting storage: a restart loses jobs and videos. Download what you want to keep.",
        "此 Space 没有持久存储：重启会丢失作业和视频。请下载需要保留的内容。",
    ),
    # the connection
    "connection": ("Connection", "连接"),
    "connection_note": (
        "Your key is used for your videos only. It stays in this tab, and in the server's memory while a job of yours is on its way; "
        "it is never stored.",
        "您的 Key 只用于生成您的视频。它仅存在于此标签页，以及作业进行期间的服务器内存中，绝不会被存储。",
    ),
    "key": ("Your Model Studio key", "您的百炼 API Key"),
    "access_code": ("Access code", "访问码"),
    "region": ("Region", "地域"),
    "workspace": ("Workspace", "业务空间"),
    "workspace_placeholder": ("where the key needs one", "如 Key 需要"),
    "check": ("Check connection", "检查连接"),
    "forget": ("Forget", "忘记"),
    "badge_own": ("Your own key", "您的 Key"),
    # the private link
    "link": ("Private link", "私有链接"),
    "link_note": (
        "Opens your jobs in another browser. Whoever has it sees them and acts as you: keep it to yourself.",
        "用它可在其他浏览器中打开您的作业。持有者可查看并代您操作：请勿外传。",
    ),
    "link_copy": ("Copy", "复制"),
    "close": ("Close", "关闭"),
    "claim": ("Open the jobs of this link?", "打开此链接中的作业？"),
    "claim_note": (
        "Open it only if the link is your own: what you make here is then seen by whoever else has it.",
        "仅在链接属于您本人时打开：之后在此生成的内容，其他持有该链接的人也能看到。",
    ),
    "claim_mine": (
        "What this browser has made so far is then found by its own private link only. Copy that first:",
        "此浏览器此前的作业之后只能通过它自己的私有链接找到。请先复制：",
    ),
    "claim_use": ("Open them", "打开"),
    "claim_stay": ("Stay as I am", "保持不变"),
    "to_english": ("EN", "EN"),
    "to_chinese": ("中文", "中文"),
    # tabs
    "tab_image": ("Image to video", "图生视频"),
    "tab_reference": ("Reference to video", "参考生视频"),
    # the brief
    "image": ("Reference image", "参考图片"),
    "image_placeholder": ("Drop a picture here, or choose one", "拖入图片，或点击选择"),
    "image_url": ("or the address of a picture", "或填写图片地址"),
    "url_placeholder": ("https://", "https://"),
    "references": ("Reference videos and pictures", "参考视频与图片"),
    "references_url": ("or addresses, one per line", "或填写地址，每行一个"),
    "cast_empty": (
        "Up to {videos} videos and {images} pictures, {total} in all. In the prompt they are character1, character2 and so on, videos first.",
        "最多 {videos} 个视频、{images} 张图片，合计不超过 {total} 个。在提示词中依次称为 character1、character2……，视频在前。",
    ),
    "cast_hint": ("Choose a character to put its name into the prompt.", "点击角色，把它的名字写进提示词。"),
    "prompt": ("Prompt", "提示词"),
    "prompt_image_placeholder": (
        "What happens? For instance: she turns to the camera and smiles, slow push-in, soft morning light",
        "画面中发生什么？例如：她转向镜头微笑，镜头缓慢推近，柔和的晨光",
    ),
    "prompt_reference_placeholder": (
        "Who does what, and where? For instance: character1 walks through a meadow, character2 follows",
        "谁在哪里做什么？例如：character1 走过草地，character2 跟在后面",
    ),
    "duration": ("Duration (s)", "时长（秒）"),
    "size": ("Size", "尺寸"),
    "landscape": ("landscape", "横屏"),
    "portrait": ("portrait", "竖屏"),
    "square": ("square", "方形"),
    "own_shape": ("the picture's own shape", "保持图片形状"),
    "fit": ("Fit", "适配"),
    "fit_crop": ("Crop", "裁剪"),
    "fit_pad": ("Pad", "补边"),
    "model": ("Model", "模型"),
    "model_flash": ("Flash · quicker, cheaper", "Flash · 更快更省"),
    "model_full": ("Full · finer detail", "完整版 · 细节更好"),
    "more": ("More", "更多设置"),
    "seed": ("Seed", "种子"),
    "seed_placeholder": ("drawn for you", "随机"),
    "fps": ("Frames per second", "帧率"),
    "motion_on": ("Set the motion strength", "设置运动强度"),
    "motion": ("Motion strength", "运动强度"),
    "sound": ("Sound", "声音"),
    "audio_url": ("Sound file, its address", "音频文件地址"),
    "negative_prompt": ("Negative prompt", "反向提示词"),
    "negative_placeholder": ("What to leave out", "不希望出现的内容"),
    "prompt_extend": ("Let the service rewrite the prompt", "允许服务扩写提示词"),
    "shot_type": ("Shots", "镜头"),
    "shot_single": ("One shot", "单镜头"),
    "shot_multi": ("Several shots", "多镜头"),
    "watermark": ("Watermark: AI generated", "“AI 生成”水印"),
    "generate": ("Generate", "生成视频"),
    # samples
    "samples": ("Start from a sample", "从示例开始"),
    "sample_astronaut": ("Astronaut", "宇航员"),
    "sample_rocket": ("Lift-off", "火箭升空"),
    "sample_meadow": ("Rabbit and cat", "兔子与猫"),
    "sample_cafe": ("Cat café", "猫咪咖啡馆"),
    "prompt_astronaut": (
        "The astronaut turns her head to the camera and smiles. Slow push-in, soft studio light, shallow depth of field.",
        "宇航员转头看向镜头并微笑。镜头缓慢推近，柔和的棚拍光线，浅景深。",
    ),
    "prompt_rocket": (
        "The rocket climbs on a column of fire. The camera tilts up after it, smoke rolls over the pad.",
        "火箭拖着火焰升空，镜头随之上摇，浓烟漫过发射台。",
    ),
    "prompt_meadow": (
        "character1 walks through a sunny meadow and stops. character2 comes out of the grass, and they look at each other.",
        "character1 走过阳光下的草地，停下脚步。character2 从草丛里走出来，两者对视。",
    ),
    "prompt_cafe": (
        "character1 sits at a window table and sniffs at character2, which steams in the morning light. The camera moves slowly closer.",
        "character1 坐在窗边的桌旁，嗅着在晨光里冒热气的 character2。镜头缓缓靠近。",
    ),
    # price and time
    "quote": ("{price}", "{price}"),
    "quote_most": ("up to {price}", "最多 {price}"),
    "quote_free": ("Free in the demo", "演示免费"),
    "quote_key": ("{price} with a key", "使用 Key 时 {price}"),
    "quote_key_most": ("up to {price} with a key", "使用 Key 时最多 {price}"),
    "quote_unpriced": ("The price of this region is not known", "此地域价格未知"),
    "quote_time": ("usually {time}", "通常 {time}"),
    "minutes": ("{low}-{high} min", "{low}–{high} 分钟"),
    "seconds": ("{low}-{high} s", "{low}–{high} 秒"),
    "about_minutes": ("{low} min", "{low} 分钟"),
    "about_seconds": ("{low} s", "{low} 秒"),
    # the stage
    "still": ("Your video plays here", "视频将在此播放"),
    "will_send": ("This goes to the model, {size}", "将以此画面提交，{size}"),
    "will_send_own": ("This goes to the model, in its own shape", "将以此画面提交，保持原形状"),
    "back_to_job": ("Back to the job", "返回作业"),
    "back_to_video": ("Back to the last video", "返回上一个视频"),
    "not_watching": ("Not watching", "未在查看"),
    # the card
    "step_line": ("In line", "排队"),
    "step_sending": ("Sending", "发送"),
    "step_waiting": ("Waiting", "等待"),
    "step_making": ("Making", "生成"),
    "step_fetching": ("Fetching", "取回"),
    "ready": ("Ready", "就绪"),
    "ready_note": (
        "Say what shall happen, look at the price, then generate. Nothing is sent before.",
        "描述画面，确认价格，然后生成。在此之前不会发送任何内容。",
    ),
    "title_QUEUED": ("In line", "排队中"),
    "title_UPLOADING": ("Sending", "发送中"),
    "title_SUBMITTING": ("Sending", "发送中"),
    "title_PENDING": ("Waiting", "等待中"),
    "title_RUNNING": ("Making", "生成中"),
    "title_FETCHING": ("Fetching", "取回中"),
    "title_UNCERTAIN": ("Not certain", "待确认"),
    "title_SUCCEEDED": ("Done", "已完成"),
    "title_FAILED": ("Failed", "失败"),
    "title_CANCELLED": ("Cancelled", "已取消"),
    "title_EXPIRED": ("Lost", "已失效"),
    "title_refused": ("Not sent", "未提交"),
    "refused_note": ("Nothing was sent and nothing spent; your brief is as you left it.", "未发送任何内容，未产生费用；表单内容保持不变。"),
    "broke_note": (
        "Something broke on our side. Nothing was sent and nothing spent. Try again; if it stays, the log has the details.",
        "我们这边出错了。未发送任何内容，未产生费用。请重试；若仍出现，详情见日志。",
    ),
    "made_before": (
        "You made exactly this before, so it is shown at once: nothing was sent, nothing spent. New take makes another.",
        "您之前生成过完全相同的视频，因此直接显示：未发送任何内容，未产生费用。点“再来一条”可重新生成。",
    ),
    "title_broke": ("That did not work", "操作未成功"),
    "act_broke_note": (
        "Something broke on our side. A job that is on its way goes on: reload the page to see where it stands.",
        "我们这边出错了。已提交的作业会继续：刷新页面即可查看进度。",
    ),
    "not_ready_note": ("The page was not ready yet. Nothing was sent. Press Generate again.", "页面尚未就绪，未发送任何内容。请再次点击生成。"),
    "form_bad": ("What the form sent could not be read. Reload the page and try again.", "无法读取表单内容。请刷新页面后重试。"),
    "too_many_pages": ("Too many new pages from your address. Try again in {seconds} s.", "您的地址打开的新页面过多，请在 {seconds} 秒后重试。"),
    "host_unknown": (
        "The app answers on this machine's own names only. Where a proxy stands in front of it, name the proxy in WAN_TRUSTED_PROXIES.",
        "应用仅响应本机名称。若前面有代理，请在 WAN_TRUSTED_PROXIES 中填写该代理。",
    ),
    "of_about": ("of about {time}", "/ 约 {time}"),
    "late": ("longer than usual", "比平常久"),
    "late_note": (
        "Longer than usual. The service is still at work on it; it costs no more for that.",
        "比平常久。服务仍在生成，不会因此多收费。",
    ),
    "goes_on": ("You can close this page; it goes on.", "可以关闭此页，任务会继续。"),
    "cannot_stop": (
        "It has started and cannot be stopped. You can stop watching; it costs {price} if it succeeds.",
        "已开始生成，无法中止。可以停止查看；若成功将收费 {price}。",
    ),
    "cannot_stop_demo": (
        "It has started and cannot be stopped. You can close this page; it goes on. It is free in the demo.",
        "已开始生成，无法中止。可以关闭此页，任务会继续。演示不收费。",
    ),
    "cannot_stop_unpriced": (
        "It has started and cannot be stopped. You can stop watching; it is billed if it succeeds.",
        "已开始生成，无法中止。可以停止查看；若成功将会计费。",
    ),
    "cancel_noted": ("Cancelling is noted.", "已记下取消。"),
    "stopped_note": (
        "You are not watching. The video is made all the same; watch again whenever you like.",
        "已停止查看。视频仍会继续生成，可随时重新查看。",
    ),
    "title_ask": ("Try again all the same?", "仍要重试吗？"),
    "sure": ("Try again, it may be billed twice", "仍然重试，可能重复计费"),
    "leave": ("Leave it", "不重试"),
    "cancel": ("Cancel", "取消"),
    "stop": ("Stop watching", "停止查看"),
    "watch": ("Watch again", "重新查看"),
    "retry": ("Try again", "重试"),
    "new_take": ("New take", "再来一条"),
    "download": ("Download", "下载"),
    "withdraw": ("Withdraw links", "撤回链接"),
    "links_withdrawn": (
        "Links to this video that were given away lead nowhere now. Here it has a new one.",
        "已分享出去的视频链接现已失效；此处使用新的链接。",
    ),
    "original": ("As the service made it", "服务原始文件"),
    "task": ("task", "任务"),
    "copy": ("Copy the task id", "复制任务 ID"),
    "details": ("Details", "详情"),
    "request_id": ("Request id", "请求 ID"),
    "task_id": ("Task id", "任务 ID"),
    "job_id": ("Job id", "作业 ID"),
    "fact_model": ("Model", "模型"),
    "code": ("Code", "错误码"),
    "fact_fps": ("{fps} fps", "{fps} fps"),
    "fact_seconds": ("{seconds} s", "{seconds} 秒"),
    "fact_seed": ("seed {seed}", "种子 {seed}"),
    "fact_free": ("free in the demo", "演示免费"),
    # what Gradio says in English only, word by word
    "gradio_upload": ("Click to upload or drop files", "点击上传或拖入文件"),
    "gradio_footer": ("Gradio footer navigation", "页脚导航"),
    "gradio_remove": ("Remove Image", "移除图片"),
    # takes side by side
    "compare": ("Takes side by side", "并排比较"),
    "compare_take": ("Take {number}", "第 {number} 条"),
    "compare_lost": ("This video cannot be played any more.", "此视频已无法播放。"),
    "compare_silent": ("No sound in it", "无声音"),
    "compare_mute": ("Sound off", "静音"),
    "compare_play": ("Play all", "全部播放"),
    "compare_pause": ("Pause all", "全部暂停"),
    "compare_back": ("Previous frame", "上一帧"),
    "compare_forward": ("Next frame", "下一帧"),
    "compare_loop": ("Play in a loop", "循环播放"),
    "compare_speed": ("Speed", "速度"),
    "compare_position": ("Position", "播放位置"),
    "compare_frame": ("frame", "帧"),
    "compare_waiting": ("Loading", "加载中"),
    "compare_help": (
        "Keys: Space plays, ← → one frame, Shift ← → one second, Home and End, 1–4 the sound of a take, M sound off.",
        "按键：空格播放，← → 逐帧，Shift ← → 跳一秒，Home 与 End 到首尾，1–4 选择声音，M 静音。",
    ),
    "compare_differences": ("Differences", "不同之处"),
    "compare_equal": ("No setting differs", "设置完全相同"),
    "compare_same": ("Same in all", "相同的设置"),
    "compare_made_from": ("Made from", "参考素材"),
    "compare_image": ("picture", "图片"),
    "compare_video": ("clip", "视频"),
    "compare_measured": ("In the file", "成片规格"),
    "compare_price": ("Price", "价格"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
}

_PREFIX = "wan_"  # Gradio has messages of its own under names such as "image"; they would win
_TRANSLATIONS = I18n(
    en={_PREFIX + key: english for key, (english, _) in TEXT.items()},
    zh={_PREFIX + key: chinese for key, (_, chinese) in TEXT.items()},
)


def translations() -> I18n:
    """Every string for Gradio's frontend, to be given to `launch`."""
    return _TRANSLATIONS


def label(key: str) -> I18nData:
    """A string that Gradio's frontend puts into the page's language: for labels, placeholders, buttons and choices."""
    return _TRANSLATIONS(_PREFIX + key)


def say(key: str, language: str, **values: str | int) -> str:
    """A string in one language, "zh…" or anything else, with its values."""
    return TEXT[key][language.startswith("zh")].format(**values)
