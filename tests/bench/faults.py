"""Deliberate faults in the product, each with the usual tests that must catch it;
`tests/bench/mutants.py` tries them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One plausible slip: a condition dropped, a sign turned, a field left out. What it makes of
    the file still imports and runs.
    """

    name: str
    """What has gone wrong, in plain words."""
    file: str
    """Path from the root of the project."""
    old: str
    """Stands exactly once in the file."""
    new: str
    tests: tuple[str, ...]
    """Files of tests, or single ones in a file that takes long, as pytest takes them."""


def _fault(name: str, file: str, old: str, new: str, *tests: str) -> Fault:
    return Fault(name, f"wan/{file}", old, new, tuple(f"tests/{one}" for one in tests))


_PAYING = (
    _fault(
        "a write past the end of its lease",
        "database/rows.py",
        "JOBS.c.state == job.state.value, JOBS.c.due_at == job.due_at)",
        "JOBS.c.state == job.state.value)",
        "database/test_store.py::test_a_claim_is_nobody_elses_until_its_lease_ends",
    ),
    _fault(
        "the lease renewed too late",
        "service/job_writer.py",
        "await asyncio.sleep(HELD / 4)",
        "await asyncio.sleep(HELD * 4)",
        "service/test_runner.py",
    ),
    _fault(
        "what is claimed while the app stops held by nobody",
        "service/runner.py",
        "for job in await claiming:",
        "for job in []:",
        "service/test_runner.py::test_what_is_claimed_while_the_app_stops_is_another_processes_at_once",
    ),
    _fault(
        "the task id written by the holder of the lease only",
        "database/queue.py",
        ".where(JOBS.c.id == job.id, unknown)",
        ".where(JOBS.c.id == job.id, unknown, JOBS.c.due_at == job.due_at)",
        "database/test_store.py::test_the_task_id_is_written_whoever_holds_the_lease",
    ),
    _fault(
        "the task id given up where the database is stuck",
        "service/job_writer.py",
        "                await asyncio.sleep(pause)\n",
        "                return None\n",
        "service/test_disk.py::test_the_answer_to_a_paid_request_is_written_down_in_the_end",
    ),
    _fault(
        "a request whose answer was lost sent again",
        "service/submitting.py",
        "partial(self._writer.mark_uncertain, trouble=trouble)",
        "partial(self._writer.requeue, trouble=trouble)",
        "service/test_runner.py",
    ),
    _fault(
        "a broken connection taken for one that was never made",
        "provider/wire.py",
        "    httpx.ConnectError,",
        "    httpx.NetworkError,",
        "provider/test_gateway.py",
    ),
    _fault(
        "a proxy's refusal taken for a request that may have arrived",
        "provider/wire.py",
        "    httpx.ProxyError,",
        "",
        "environment/test_surroundings.py::test_a_proxy_that_refuses_proves_that_nothing_was_sent",
    ),
    _fault(
        "a database on a share used by several processes",
        "database/opening.py",
        "fcntl.lockf(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "hold.seek(0)",
        "database/test_filesystem.py::test_a_database_on_a_share_is_one_processes_alone",
    ),
    _fault(
        "a database kept where nobody sees its locks",
        "database/opening.py",
        'if what != "memory":',
        'if what not in ("memory", "locks"):',
        "database/test_filesystem.py::test_a_folder_that_can_hold_no_database_is_named",
    ),
    _fault(
        "every certificate believed",
        "provider/gateway.py",
        "verify=self._trust,",
        "verify=False,",
        "environment/test_surroundings.py::test_a_certificate_that_is_not_believed_proves_that_nothing_was_sent",
    ),
    _fault(
        "a timeout at the service taken for a refusal",
        "provider/wire.py",
        "status not in (408, 409)",
        "status != 409",
        "provider/test_gateway.py",
    ),
    _fault(
        "the paid request sent before its row says so",
        "service/submitting.py",
        "        if (\n            submitting is None\n        ):  # the account's other request "
        "has not been answered yet, or somebody cancelled\n"
        "            return await self._writer.keep_waiting(job, 0.2)\n",
        "        submitting = submitting or job\n",
        "service/test_runner.py",
    ),
    _fault(
        "a cancelled job sent all the same",
        "service/submitting.py",
        "if job.cancel_wanted:\n            return await self._writer.end(job, JobState.CANCELLED, "
        'Message.of("cancelled"))\n        lease',
        "if job.cancel_wanted and job.task_id:\n            return await self._writer.end(job, "
        'JobState.CANCELLED, Message.of("cancelled"))\n        lease',
        "service/test_runner.py",
    ),
    _fault(
        "one state too many after an answer that was lost",
        "domain/jobs.py",
        "_S.UNCERTAIN: frozenset({_S.PENDING,",
        "_S.UNCERTAIN: frozenset({_S.QUEUED, _S.PENDING,",
        "database/test_store.py::test_the_ways_between_states_are_those_of_the_design",
    ),
    _fault(
        "a job that has ended still due",
        "database/rows.py",
        'values |= {"due_at": None, "ended_at": now}',
        'values |= {"ended_at": now}',
        "database/test_store.py::test_an_end_is_never_due",
    ),
    _fault(
        "what has just been made paid for again",
        "database/rows.py",
        "& (JOBS.c.ended_at >= job.created_at)",
        "& (JOBS.c.ended_at < job.created_at)",
        "service/test_studio.py::test_what_is_made_while_it_is_asked_for_again_is_not_paid_twice",
    ),
    _fault(
        "an expired task looked at for ever",
        "service/job_writer.py",
        "if now - (job.submitted_at or job.state_at) > catalog.TASK_LIFETIME:",
        "if now - job.state_at > 7 * catalog.TASK_LIFETIME:",
        "service/test_runner.py",
    ),
    _fault(
        "a video that is gone said to be there",
        "service/submission.py",
        "        return (\n"
        "            known\n"
        "            if known is not None and (known.live or await "
        "self._storage.has(known.video_key))\n"
        "            else None\n"
        "        )",
        "        return known",
        "service/test_studio.py::test_what_was_made_is_not_paid_for_again_unawares",
    ),
)

_MONEY = (
    _fault(
        "the budget compared with what is spent before the job",
        "database/accounts.py",
        "else after <= sa.literal(limit, Money())",
        "else sa.type_coerce(spent, Money()) <= sa.literal(limit, Money())",
        "service/test_access.py::test_fifty_at_once_do_not_overdraw",
    ),
    _fault(
        "the budget without what is reserved",
        "database/accounts.py",
        ".values(budget_day=day, budget_spent=after)",
        ".values(budget_day=day, budget_spent=sa.type_coerce(spent, Money()))",
        "service/test_access.py::test_fifty_at_once_do_not_overdraw",
    ),
    _fault(
        "what may have been billed given back to the budget",
        "database/accounts.py",
        "if ended.reserved is None or ended.spent is Spent.MAYBE:",
        "if ended.reserved is None:",
        "service/test_access.py::test_the_end_settles_what_was_reserved",
    ),
    _fault(
        "the budget's midnight by the clock on the wall",
        "service/new_jobs.py",
        "datetime.fromtimestamp(now, UTC).date()",
        "datetime.fromtimestamp(now).date()",
        "service/test_access.py::test_the_day_of_the_budget_begins_at_midnight_utc",
    ),
    _fault(
        "the price without the seconds of reference video",
        "domain/catalog.py",
        "audio=audio, seconds=seconds, currency=currency)\n    return known if",
        "audio=audio, seconds=Decimal(duration), currency=currency)\n    return known if",
        "domain/test_catalog.py",
    ),
    _fault(
        "a price rounded to two digits",
        "domain/catalog.py",
        'digits = 2 if amount == amount.quantize(Decimal("0.01")) else 3',
        "digits = 2",
        "domain/test_catalog.py",
    ),
    _fault(
        "a 429 that does not pass tried again",
        "provider/wire.py",
        "status == httpx.codes.TOO_MANY_REQUESTS and cause in PASSING_429",
        "status == httpx.codes.TOO_MANY_REQUESTS",
        "provider/test_gateway.py",
    ),
    _fault(
        "a 429 that passes taken for a refusal",
        "provider/wire.py",
        "status == httpx.codes.TOO_MANY_REQUESTS and cause in PASSING_429",
        "status == httpx.codes.TOO_MANY_REQUESTS and cause not in PASSING_429",
        "provider/test_gateway.py",
    ),
    _fault(
        "a quota that stays used up waited for for ever",
        "service/job_writer.py",
        'if trouble.message.key == "quota_used_up" and job.attempts >= _QUOTA_TRIES:',
        'if trouble.message.key == "quota_used_up" and job.attempts < 0:',
        "service/test_runner.py::test_a_quota_that_stays_used_up_is_waited_for_a_minute_and_no_longer",
    ),
)

_REQUESTS = (
    _fault(
        "the drawn seed not passed on",
        "provider/payload.py",
        '"seed": seed,',
        '"seed": request.seed,',
        "provider/test_payload.py",
    ),
    _fault(
        "the picture sent under another name",
        "provider/payload.py",
        'given = _texts(request) | {"img_url": url}',
        'given = _texts(request) | {"image_url": url}',
        "provider/test_payload.py",
    ),
    _fault(
        "references numbered in another order than they were given",
        "service/preparation.py",
        "for kind, one in request.in_order\n            ]",
        "for kind, one in sorted(request.in_order, key=lambda one: one[0])\n            ]",
        "service/test_studio.py::test_references_become_a_video",
    ),
    _fault(
        "a model's name accepted by its beginning",
        "domain/validation.py",
        "core_schema.literal_schema(list(self.allowed))",
        'core_schema.str_schema(pattern="^(" + "|".join(self.allowed) + ")")',
        "domain/test_requests.py",
    ),
    _fault(
        "the same key for other references",
        "domain/fingerprint.py",
        '"references": list(digests), "nonce": nonce,',
        '"references": len(digests), "nonce": nonce,',
        "domain/test_requests.py",
    ),
    _fault(
        "prices of a region that the address does not have",
        "environment/settings.py",
        'return region_at(base_url) or (self.region if "region" in self.model_fields_set else "")',
        "return region_at(base_url) or self.region",
        "environment/test_settings.py",
    ),
    _fault(
        "a setting that is switched off read as on",
        "environment/settings.py",
        'mcp: bool = Field(default=False, alias="WAN_MCP")',
        'mcp: str = Field(default="", alias="WAN_MCP")',
        "environment/test_settings.py::test_a_switch_is_on_or_off",
    ),
    _fault(
        "a proxy's connection closed as soon as anybody's",
        "web/sockets.py",
        "self.timeout_keep_alive = self._limits.proxy_idle_seconds",
        "self.timeout_keep_alive = self.timeout_keep_alive",
        "web/test_sockets.py::test_a_proxy_keeps_its_connections_and_nobody_else",
    ),
    _fault(
        "words of the second language for everybody but the first",
        "web/languages.py",
        'return _parse_language(headers.get("accept-language", "")) or "en"',
        'return _parse_language(headers.get("accept-language", "")) or "zh"',
        "web/test_review_page.py::test_whoever_asks_for_no_language_of_ours_gets_english",
    ),
)

_OWNERS = (
    _fault(
        "the owner left out of a look-up",
        "database/jobs.py",
        "return self._select_one((JOBS.c.id == job_id) & self._is_visible_to(owner))",
        "return self._select_one(JOBS.c.id == job_id)",
        "database/test_store.py::test_a_job_comes_back_as_it_was_written",
    ),
    _fault(
        "a shared library that a program without a token of its own looks into",
        "database/owners.py",
        "if shared and not _is_caller(owner):",
        "if shared:",
        "database/test_store.py::test_a_shared_library_shows_all_but_what_belongs_to_a_program_alone",
    ),
    _fault(
        "a job among those that match, in the order of another list",
        "database/listing.py",
        "where > here, where < here,",
        "where > here, _AT < job.created_at,",
        "database/test_store.py::test_each_job_has_its_place_among_those_that_match",
    ),
    _fault(
        "a video from the cache of another owner",
        "database/jobs.py",
        "mine = (JOBS.c.owner == owner) & (JOBS.c.account == account)\n        kind",
        "mine = JOBS.c.account == account\n        kind",
        "database/test_store.py::test_the_newest_finished_job_of_a_kind",
    ),
    _fault(
        "videos of a review after its link was revoked",
        "database/verdicts.py",
        "return REVIEWS.c.revoked_at.is_(None) & (",
        "return sa.true() & (",
        "service/test_reviews.py::test_a_review_from_its_link_to_its_end",
    ),
    _fault(
        "a review found by its link as it is, without a hash",
        "database/reviews.py",
        'return self._database.seal.hash("link", hash_link(token))',
        "return token",
        "database/test_owners.py",
    ),
    _fault(
        "the access code compared as it was typed",
        "service/access.py",
        "            _digest(code), _digest(wanted.get_secret_value().strip())\n",
        "            code, wanted.get_secret_value().strip()\n",
        "service/test_access.py::test_a_code_may_be_in_any_script",
    ),
    _fault(
        "whoever has queued most served first",
        "domain/line.py",
        "key=lambda one: (one[0], one[1],",
        "key=lambda one: (one[1], one[0],",
        "domain/test_line.py",
    ),
)

_WEB = (
    _fault(
        "a route let through by its beginning",
        "web/guard.py",
        "not table.fullmatch(path)",
        "not table.match(path)",
        "web/test_guard.py::test_of_all_routes_exactly_these_are_open",
    ),
    _fault(
        "any name of the host accepted",
        "web/guard.py",
        "self._names.check(headers, proxied=proxied)",
        "proxied = bool(proxied)",
        "web/test_guard.py::test_a_foreign_name_is_answered_on_no_address",
    ),
    _fault(
        "a page elsewhere lets its visitors post",
        "web/guard.py",
        "(nameless or not self._is_own_origin(headers, root)):",
        "nameless:",
        "web/test_guard.py::test_only_our_own_pages_may_change_things",
    ),
    _fault(
        "anybody believed about where the app is reached",
        "web/root_path.py",
        "_from_proxy(asked) if proxied else Root()",
        "_from_proxy(asked)",
        "web/test_root_path.py::test_the_address_of_a_request",
    ),
    _fault(
        "a cookie that scripts can read",
        "web/cookies.py",
        '[pair, *kept, "HttpOnly", site,',
        "[pair, *kept, site,",
        "web/test_cookies.py",
    ),
    _fault(
        "a cookie of https sent over http too",
        "web/cookies.py",
        'secure = https or "secure" in named',
        'secure = "secure" in named',
        "web/test_cookies.py",
    ),
    _fault(
        "a rate that counts nothing",
        "web/rate_limit.py",
        "max(self._due.get(address, now), now) + self.every * amount)",
        "max(self._due.get(address, now), now))",
        "web/test_guard.py::test_new_sessions_come_at_a_rate_and_known_ones_at_any",
    ),
    _fault(
        "a rate of all replicas that counts what it refuses",
        "database/limits.py",
        "sa.case((is_allowed, due), else_=LIMITS.c.due_at)",
        "due",
        "web/test_shared_limits.py",
    ),
    _fault(
        "tries at two replicas that do not wait for each other",
        "database/limits.py",
        "                before, now = self._read(connection, keys)\n"
        "                result, after = act(before, now)\n",
        "",
        "service/test_counts.py::test_many_at_the_same_moment_are_counted_one_by_one",
    ),
    _fault(
        "nobody counts while the database is away",
        "web/rate_limit.py",
        "            return self.here.wait(address, amount)\n        is_counted",
        "            return 0.0\n        is_counted",
        "web/test_shared_limits.py",
    ),
    _fault(
        "a prompt put on the page as HTML",
        "ui/components/stage.html",
        '{{ card.job.request.get("prompt", "") }}',
        '{{ card.job.request.get("prompt", "") | safe }}',
        "ui/test_cards.py",
    ),
    _fault(
        "files for whoever is not signed in",
        "web/routes.py",
        'if not is_signed_in(request):\n            return PlainTextResponse("Not authenticated", '
        "401)\n        path",
        "path",
        "web/test_uploads.py::test_who_is_not_signed_in_gets_nothing",
    ),
    _fault(
        "an upload named by its path",
        "storage/uploads.py",
        r"([^/.\0][^/\0]{{0,254}})",
        r"([^\0]{{1,255}})",
        "storage/test_uploads.py::test_no_name_leads_out_of_its_folder",
    ),
    _fault(
        "a link among the uploads followed",
        "storage/uploads.py",
        "found = path.lstat()",
        "found = path.stat()",
        "storage/test_uploads.py::test_only_a_plain_file_with_one_name_is_found",
    ),
)

_OUTSIDE = (
    _fault(
        "a redirect followed",
        "provider/gateway.py",
        "follow_redirects=False",
        "follow_redirects=True",
        "provider/test_gateway.py",
    ),
    _fault(
        "a result fetched from any host",
        "provider/hosts.py",
        "return next((one for one in (target, secure) if _is_trusted(one, service)), None)",
        "return target if target.host else None",
        "provider/test_gateway.py::test_a_result_comes_from_the_service_only",
    ),
    _fault(
        "a reference sent to any host that an answer names",
        "provider/gateway.py",
        "host = resolve_service_url(policy.upload_host, connection)",
        "host = httpx.URL(policy.upload_host)",
        "provider/test_gateway.py::test_a_reference_goes_to_the_service_only",
    ),
    _fault(
        "a video that is paid for given up over an odd address",
        "provider/gateway.py",
        'raise UntrustedAddress(Message.of("result_elsewhere", given=origin(url)))',
        'raise ResultRefused(Message.of("result_refused", message=origin(url)))',
        "service/test_runner.py::test_an_odd_address_of_a_video_that_is_paid_for_is_asked_for_anew_for_a_day",
    ),
    _fault(
        "a result fetched over http because its address says so",
        "provider/hosts.py",
        "    secure = (\n"
        '        target.copy_with(scheme="https", port=None)\n'
        '        if target.scheme == "http" and target.port in (None, 80)\n'
        "        else target\n"
        "    )",
        '    secure = target if target.scheme == "http" and target.port in (None, 80) else target',
        "provider/test_gateway.py::test_a_result_comes_over_https_though_its_address_says_http",
    ),
    _fault(
        "a temporary key in the log",
        "domain/redact.py",
        r"\b(s[kt]-){_SIGN}{{4,}}",
        r"\b(sk-){_SIGN}{{4,}}",
        "service/test_access.py::test_every_key_that_is_taken_is_known_to_the_net",
    ),
    _fault(
        "an account named by the end of its key",
        "environment/connection.py",
        "return hashlib.sha256(secret.encode()).hexdigest()[:16]",
        "return secret[-16:]",
        "environment/test_settings.py",
    ),
    _fault(
        "a signed address in the evidence",
        "storage/record.py",
        "return strip_signatures(known)",
        "return known",
        "storage/test_evidence.py::test_nothing_secret_is_in_it",
    ),
    _fault(
        "a signed address in what people are told",
        "provider/wire.py",
        "return strip_signatures(clean(words))",
        "return clean(words)",
        "provider/test_gateway.py::test_no_signature_of_an_address_is_quoted",
    ),
    _fault(
        "a signature in the log",
        "domain/redact.py",
        "|sig|sign|",
        "|sign|",
        "service/test_access.py::test_no_signature_comes_through",
    ),
    _fault(
        "new work on a disk that is full",
        "storage/objects.py",
        "if free < ROOM + more:",
        "if free < more:",
        "storage/test_objects.py::test_too_little_room_is_said",
    ),
)

_MEDIA = (
    _fault(
        "a picture kept as it came, with its EXIF data",
        "service/preparation.py",
        '            source, picture.kept, ".jpg", Original(**about, changes=changes), asker.owner',
        "            source,\n"
        "            source if isinstance(source, bytes) else picture.kept,\n"
        '            ".jpg",\n'
        "            Original(**about, changes=changes),\n"
        "            asker.owner,",
        "service/test_studio.py::test_a_picture_is_stored_without_what_else_was_in_its_file",
    ),
    _fault(
        "a picture of a phone billed as a clip of one second",
        "media/inputs.py",
        "else await run_in_sandbox(asker, detect_kind, field, one),",
        "else kind_of(str(one)),",
        "cli/test_cli.py::test_a_reference_is_what_its_content_says",
    ),
    _fault(
        "a JPEG that breaks off taken for one without its end mark",
        "media/images.py",
        "    if len(digests) != 1:",
        "    if not digests:",
        "media/test_media.py::test_a_jpeg_may_lack_its_end_mark_and_nothing_else",
    ),
    _fault(
        "a clip condemned by a sound track that nobody can decode",
        "media/clips.py",
        "    return next(\n"
        "        (\n"
        "            one\n"
        "            for one in _order_by_preference(tracks)\n"
        "            if one.codec_context is not None and _can_decode(given, one.index)\n"
        "        ),\n"
        "        None,\n"
        "    )",
        "    return next((one for one in _order_by_preference(tracks)), None)",
        "media/test_media.py::test_clips_of_real_devices",
    ),
    _fault(
        "a picture cropped that should be padded",
        "media/images.py",
        'elif frame.fit == "pad":',
        'elif frame.fit == "crop":',
        "media/test_media.py::test_padding_keeps_the_whole_picture",
    ),
    _fault(
        "a half-written file taken for a video",
        "media/probe.py",
        "if _end_of(container, stream) < seconds - SLACK:",
        "if _end_of(container, stream) < 0:",
        "media/test_media.py::test_a_result_that_breaks_off_is_no_video",
    ),
    _fault(
        "no filter of system calls in the sandbox",
        "media/confinement.py",
        '"a filter of system calls": seccomp.install,',
        '"a filter of system calls": lambda: None,',
        "attacks/test_sandbox.py::test_nothing_reaches_the_sandbox_or_the_app",
        "attacks/test_sandbox.py::test_no_file_opens",
    ),
    _fault(
        "the sound of a joined film lost where one take has none",
        "media/join.py",
        "if any(_has_sound(path) for path in paths)",
        "if all(_has_sound(path) for path in paths)",
        "media/test_join.py::test_pictures_and_sound_meet_at_every_seam",
    ),
    _fault(
        "the last take left out of an export",
        "web/review_zip.py",
        "for path, name in names.items():",
        "for path, name in list(names.items())[:2]:",
        "web/test_review_page.py::test_an_export_has_every_take_that_is_there",
    ),
)

_SOUNDS = (
    _fault(
        "a sound of any length sent",
        "media/sounds.py",
        "    if not shortest <= round(seconds, 1) <= longest:\n",
        "    if not shortest <= round(seconds, 1):\n",
        "media/test_sounds.py",
    ),
    _fault(
        "the upload of a sound left as it came",
        "service/preparation.py",
        "            changes = tuple(one.key for one in taken.adjustments if one.key in "
        "_FILE_CHANGES)\n",
        "            source, changes = copy, tuple(one.key for one in taken.adjustments if "
        "one.key in _FILE_CHANGES)\n",
        "storage/test_uploads.py::test_the_bytes_of_a_sound_go_too_and_the_sound_with_its_job",
    ),
    _fault(
        "a sound sent although there shall be none",
        "service/submitting.py",
        "                    await self._upload(job, reference, connection)\n"
        "                    if payload.has_slot(job.payload, number)\n"
        '                    else ""',
        '                    await self._upload(job, reference, connection) if True else ""',
        "service/test_studio.py::test_a_sound_of_a_silent_video_stays_here_and_is_there_to_be_used_again",
    ),
    _fault(
        "the same key with a sound and without one",
        "service/preparation.py",
        "        return [reference.url or reference.sha256 for reference in self.references]\n",
        "        return [reference.url or reference.sha256 for reference in self.references if "
        'reference.kind != "audio"]\n',
        "service/test_studio.py::test_a_sound_goes_up_once_and_another_one_is_another_job",
    ),
    _fault(
        "two films of the simulator with different sounds taken for one",
        "simulator/films.py",
        """{' with sound' * order.audio}{heard}.mp4""",
        """{' with sound' * order.audio}.mp4""",
        "simulator/test_films.py::test_a_film_has_the_sound_that_was_sent_up",
    ),
)

_SIMULATOR = (
    _fault(
        "the simulator makes a second task of a request",
        "simulator/app.py",
        "            self.book.add(task)\n",
        "            self.book.add(task)\n            "
        'self.book.add(task.model_copy(update={"id": str(uuid.uuid4())}))\n',
        "simulator/test_service.py::test_the_record_counts_tasks_and_refusals_apart",
        "simulator/test_service.py::test_lists_are_filtered_and_paged",
    ),
    _fault(
        "the simulator gives a video without its signature",
        "simulator/app.py",
        "if not self.signer.verify(",
        "if not expires and not self.signer.verify(",
        "simulator/test_service.py::test_a_task_from_create_to_video",
    ),
    _fault(
        "the simulator shows a task to another account",
        "simulator/tasks.py",
        "task if task and task.account == account and not self._is_expired(task) else None",
        "task if task and not self._is_expired(task) else None",
        "simulator/test_service.py::test_other_accounts_and_unknown_ids_look_alike",
    ),
)

# Chosen by reading the product alone, without a look at its tests.
_FRESH = (
    _fault(
        "what a job of yesterday did not cost given back to today",
        "database/accounts.py",
        "day = (ACCOUNTS.c.account == row) & (ACCOUNTS.c.budget_day == ended.budget_day)",
        "day = ACCOUNTS.c.account == row",
        "service/test_access.py::test_what_a_job_did_not_cost_goes_back_to_its_own_day",
    ),
    _fault(
        "a paid video given up after trouble that passes",
        "service/delivery.py",
        "tries = job.attempts + 1 if job.code == UNPLAYABLE else 1",
        "tries = job.attempts + 1",
        "service/test_runner.py",
    ),
    _fault(
        "a request whose answer is awaited let go when the app stops",
        "service/job_writer.py",
        "if job.state is not JobState.SUBMITTING:\n            await self.keep_waiting(job, 0.0)",
        "if job.live:\n            await self.keep_waiting(job, 0.0)",
        "service/test_runner.py",
    ),
    _fault(
        "only the first page of the account's tasks read",
        "provider/gateway.py",
        "page, pages = page + 1, answer.total_page",
        "page, pages = page + 1, min(answer.total_page, 1)",
        "provider/test_gateway.py::test_every_page_of_the_accounts_tasks_is_read",
    ),
    _fault(
        "what a visitor's own key pays for said to be free",
        "service/quotes.py",
        'return self._backend == "simulator" and own_region is None',
        'return self._backend == "simulator"',
        "service/test_access.py::test_where_all_else_is_a_demo_a_key_of_ones_own_has_the_price_of_its_region",
    ),
    _fault(
        "heads cut off where a tall picture is cropped",
        "domain/crop.py",
        "    y: float = 0.25",
        "    y: float = 0.5",
        "media/test_media.py::test_a_crop_of_a_tall_picture_keeps_what_is_above_its_middle",
    ),
    _fault(
        "a password with a colon split at its last one",
        "environment/checks.py",
        'pair.strip().partition(":")',
        'pair.strip().rpartition(":")',
        "environment/test_settings.py",
    ),
    _fault(
        "a table of verdicts that spreadsheets read in another encoding",
        "domain/review_exports.py",
        'out.getvalue().encode("utf-8-sig")',
        'out.getvalue().encode("utf-8")',
        "service/test_reviews.py::test_no_cell_of_the_table_is_a_formula",
    ),
    _fault(
        "references numbered option by option, not as they were typed",
        "cli/options.py",
        "for name in ctx.meta[_ORDER] if name in values",
        "for name in sorted(ctx.meta[_ORDER]) if name in values",
        "cli/test_cli.py::test_references_keep_the_order_in_which_they_were_typed",
    ),
    _fault(
        "Enter alone taken for yes where money is spent",
        "cli/run.py",
        'sys.stdin.readline().strip().lower() in ("y", "yes")',
        'sys.stdin.readline().strip().lower() not in ("n", "no")',
        "cli/test_cli.py::test_the_question_at_a_terminal",
    ),
    _fault(
        "room kept for what has come long since",
        "web/uploads.py",
        "        finally:\n            self._reserved -= size\n",
        "        finally:\n            self._reserved -= 0\n",
        "web/test_uploads.py::test_room_for_a_whole_body_is_kept_for_as_long_as_it_comes",
    ),
    _fault(
        "a program that asks again shown the job of another address",
        "database/jobs.py",
        "            address\n            & (JOBS.c.account == job.account)",
        "            (JOBS.c.account == job.account)",
        "database/test_store.py::test_what_programs_without_a_token_asked_for_is_found_by_words_address_and_time",
    ),
    _fault(
        "a program that asks again free to cancel",
        "ui/api/endpoints.py",
        "if token and self._callers.may_only_view(token, known):",
        "if False:",
        "ui/test_api.py::test_whoever_gives_up_and_asks_again_is_shown_the_same_job",
    ),
    _fault(
        "limits of the requests kept from agents",
        "ui/api/parameters.py",
        "part._api_info = {**parameter.schema, ",
        "part._api_info = {**part._api_info, ",
        "ui/test_api.py::test_what_is_offered_carries_the_limits_of_the_requests",
    ),
    _fault(
        "a field's label taken for another's",
        "domain/fields.py",
        'label="motion",',
        'label="sound",',
        "ui/test_compare.py",
    ),
    _fault(
        "what was tried again paid for once more",
        "database/jobs.py",
        "        kind = kind.union(sa.select(JOBS.c.id, JOBS.c.seed).where(mine, again))\n",
        "",
        "database/test_store.py::test_what_was_tried_again_with_its_own_seed_is_of_the_same_kind",
    ),
    _fault(
        "an event answered before the browser knows that its stream is closed",
        "web/events.py",
        "} | {key: now}",
        "}",
        "web/test_limits.py::test_an_event_that_joins_while_its_stream_is_closed_is_answered_after_that",
    ),
    _fault(
        "a process that takes its interpreter apart under obstore's threads",
        "environment/process_exit.py",
        "    os._exit(_codes[-1])\n",
        "    return\n",
        "environment/test_process_exit.py",
    ),
    _fault(
        "a stop that is lost where another thread takes its signal",
        "ui/server.py",
        "            time.sleep(_STOP_LOOK)",
        "            signal.pause()",
        "environment/test_process_exit.py::test_the_app_ends_whichever_thread_takes_the_signal",
    ),
    _fault(
        "a stop that keeps what it has in hand until it ends",
        "ui/stopping.py",
        "studio.hand_over() if studio else asyncio.sleep(0)",
        "asyncio.sleep(0)",
        "browser/test_rolling.py::"
        "test_a_step_in_hand_is_handed_over_and_whoever_waits_for_the_video_gets_it",
    ),
    _fault(
        "a stop that waits no longer for the answer to a paid request once everything else ends",
        "service/studio.py",
        "    if not task.cancelling():\n        task.cancel()",
        "    task.cancel()",
        "browser/test_rolling.py::test_the_answer_to_a_paid_request_is_waited_for",
    ),
    _fault(
        "a key that is missed where another process has it",
        "service/key_presence.py",
        "missing -= await self._holders.find(missing)",
        "missing -= set()",
        "service/test_key_presence.py",
    ),
)

_OPERATION = (
    _fault(
        "the metrics told to whoever asks, and the end of a task taken from whoever announces it",
        "web/guard.py",
        "if path in (_METRICS, _EVENTS) and not self._private[path](scope):",
        "if False:",
        "web/test_guard.py::test_the_metrics_are_nobodys_unless_somebody_may_read_them",
        "web/test_guard.py::test_events_are_taken_from_nobody_but_who_may_send_them",
    ),
    _fault(
        "an event that takes a job from whoever works on it",
        "database/announcements.py",
        "if job.due_at == job.claimed_until:",
        "if False:",
        "database/test_announcements.py::test_a_lease_in_hand_is_not_touched",
    ),
    _fault(
        "a query for each time that an end is announced",
        "database/announcements.py",
        " & JOBS.c.announced_at.is_(None)",
        "",
        "database/test_announcements.py::test_each_end_is_announced_once",
    ),
    _fault(
        "a download sent away to the bucket, where it has no name",
        "web/routes.py",
        'plays = request.headers.get("sec-fetch-dest") == "video"',
        "plays = True",
        "web/test_media_redirect.py::test_nobody_else_is_sent_anywhere",
    ),
    _fault(
        "a proxy on this machine taken for the machine itself",
        "web/addresses.py",
        "return _is_loopback(peer) and not may_be_shared(scope, [])",
        "return _is_loopback(peer)",
        "web/test_metrics.py::test_loopback_is_this_machine_and_no_proxy_on_it",
    ),
    _fault(
        "a series of its own for every code that the service thinks up",
        "provider/refusals.py",
        '_BY_LETTERS.get(_letters(code), "other")',
        "_BY_LETTERS.get(_letters(code), code)",
        "web/test_metrics.py::test_errors_are_counted_by_what_the_service_documents_and_no_further",
    ),
    _fault(
        "a store that hangs asked again by each who comes",
        "service/shared_work.py",
        "self._task.done() and time.monotonic()",
        "time.monotonic()",
        "service/test_shared_work.py",
    ),
    _fault(
        "a folder that is gone taken for an answer",
        "service/monitoring.py",
        "if folder is not None and not is_there and not await asyncio.to_thread(folder.is_dir):",
        "if False:",
        "web/test_readiness.py::test_a_folder_that_is_gone_is_no_answer",
    ),
    _fault(
        "what was deleted missing from what was spent",
        "database/totals.py",
        "        (DELETED_COSTS, []),\n",
        "",
        "database/test_totals.py",
    ),
)

FAULTS: tuple[Fault, ...] = (
    *_PAYING,
    *_MONEY,
    *_REQUESTS,
    *_OWNERS,
    *_WEB,
    *_OUTSIDE,
    *_MEDIA,
    *_SOUNDS,
    *_SIMULATOR,
    *_FRESH,
    *_OPERATION,
)
