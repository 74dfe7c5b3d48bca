"""Completion by Tab, for a shell in which `wan` is short for `python -m wan`."""

import shlex
import sys

import typer

COMPLETE = "_WAN_COMPLETE"
"""The variable by which the shell asks typer what could follow."""

_SCRIPT = """\
wan() {{ {python} -m wan "$@"; }}
_wan_completion() {{
    if [ -n "$ZSH_VERSION" ]; then
        eval $(_TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {variable}=complete_zsh wan)
    else
        local IFS=$'\\n' typed="${{COMP_WORDS[*]}}"
        COMPREPLY=($(COMP_WORDS=$typed COMP_CWORD=$COMP_CWORD {variable}=complete_bash wan))
    fi
}}
if [ -n "$ZSH_VERSION" ]; then
    compdef _wan_completion wan
else
    complete -o default -F _wan_completion wan
fi"""


def show_script(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    """Print the script for bash and zsh, and end the program."""
    if wanted:
        typer.echo(_SCRIPT.format(python=shlex.quote(sys.executable), variable=COMPLETE))
        raise typer.Exit
