"""Completion by Tab, for a shell in which `wan` is short for `python -m wan`."""

import shlex
import sys

import typer

COMPLETE = "_WAN_COMPLETE"
"""The variable by which the shell asks typer what could follow."""

_BASH = """\
wan() {{ {python} -m wan "$@"; }}
_wan_completion() {{
    local IFS=$'\\n' typed="${{COMP_WORDS[*]}}"
    COMPREPLY=($(COMP_WORDS=$typed COMP_CWORD=$COMP_CWORD {variable}=complete_bash wan))
}}
complete -o default -F _wan_completion wan
"""
_ZSH = """\
wan() {{ {python} -m wan "$@" }}
_wan_completion() {{
    eval $(_TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {variable}=complete_zsh wan)
}}
compdef _wan_completion wan
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH}


def show_script(shell: str | None) -> None:
    """Print the script of a shell and end the program. Raises typer.BadParameter for a shell that
    there is none for.
    """
    if shell is None:
        return
    if shell not in _SCRIPTS:
        raise typer.BadParameter(f"allowed are {' and '.join(_SCRIPTS)}")
    typer.echo(_SCRIPTS[shell].format(python=shlex.quote(sys.executable), variable=COMPLETE))
    raise typer.Exit
