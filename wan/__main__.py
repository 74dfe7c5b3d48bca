"""`python -m wan`: see `wan.cli.main`."""

from wan.environment.process_exit import exit_with  # isort: split

try:
    from wan.environment.utf8 import require_utf8

    require_utf8()
    from wan.cli.main import main

    code = main()
except KeyboardInterrupt:  # before the command line could take it
    code = 1
exit_with(code)
