"""The stage of a tab: the status card and the video of a job, or of several takes."""

from wan.ui.components.component import Component


class Stage(Component):
    """Shows what a tab is about. Its buttons work on one take, or on all that are shown."""

    event_names = ("watch", "quiet", "cancel", "stop", "resume", "retry", "sure", "withdraw")
