"""A stand-in for the video service of Alibaba Model Studio (DashScope): the same HTTP, with videos
rendered on this machine.

    python -m wan.simulator --dir output/simulator

It speaks what the help centre documents: create, query, list, cancel, upload policy, object upload,
result download. It shares no code with the rest of `wan`, so that a misreading of the service
cannot hide in client and stand-in alike. It fetches nothing: a reference given as a web address is
drawn as a card with the host's name, and a sound given as one is not heard.

* errors.py      the service's codes, their HTTP status and message
* orders.py      what each model takes; a request body becomes an Order or is refused
* accounts.py    who asks, and how often they may
* uploads.py     upload policies and the objects that came with them
* tasks.py       tasks on disk, their clock, five running at once
* events.py      tells an address on this machine of tasks that have ended
* films.py       an Order becomes an MP4 (shots.py, sources.py: the picture; planes.py: what it is
drawn in; lettering.py: the words; sound.py: the sound)
* times.py       how moments are written
* app.py         the routes; faults.py: trouble on demand
* __main__.py    the process: one per folder

A prompt with the words `simulate:CODE` in it, `simulate:DataInspectionFailed` for one, makes its
task fail with that code and its documented message.
"""
