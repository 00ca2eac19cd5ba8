"""From the file to the server, with every accident on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.retry import Retry
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.schedules.apply_schedule import apply_plan
from agnews.kubeflow.schedules.plan_schedules import Kind, Plan, Target, plan_schedules
from agnews.kubeflow.schedules.schedule_file import Schedule, ScheduleFile
from agnews.schemas.errors import AgnewsError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COMMIT = "0123456789abcdef"
NAME = "weekly"


def _file(**changes: object) -> ScheduleFile:
    entry = {
        "name": NAME,
        "cron": "0 3 * * mon",
        "time_zone": "UTC",
        "parameters": {"data_uri": "s3://news", "epochs": 3},
    }
    return ScheduleFile(schedules=(Schedule.model_validate({**entry, **changes}),))


class _World:
    """A server, a compiled pipeline, and what a person does with them."""

    def __init__(self, server: Any, api: KfpApi, text: str) -> None:
        self.server = server
        self.api = api
        self.pipeline = CompiledPipeline.read(text)

    def plan(self, file: ScheduleFile, api: KfpApi | None = None) -> Plan:
        target = Target.of_pipeline(api or self.api, self.pipeline)
        return plan_schedules(api or self.api, file, target, NOW)

    def apply(self, file: ScheduleFile, api: KfpApi | None = None, **options: Any) -> int:
        plan = options.pop("plan", None) or self.plan(file, api)
        return apply_plan(api or self.api, plan, pipeline=self.pipeline, commit=COMMIT, **options)

    @property
    def only(self) -> dict[str, Any]:
        (record,) = self.server.recurring.values()
        return record


@pytest.fixture
def world(server: Any, connect: Callable[..., KfpApi], pipeline_text: str) -> _World:
    return _World(server, connect(), pipeline_text)


def test_a_schedule_is_created_as_the_file_says(world: _World) -> None:
    plan = world.plan(_file())
    assert not world.server.recurring, "a plan changes nothing"
    assert world.server.calls("POST") == 0
    assert plan.changes[0].kind is Kind.CREATE
    assert plan.changes[0].fire_times[0] == datetime(2026, 6, 8, 3, tzinfo=UTC)
    assert len(plan.changes[0].fire_times) == 5
    world.apply(_file())
    (version,) = world.server.versions.values()
    expected = {
        "display_name": NAME,
        "status": "ENABLED",
        "max_concurrency": "1",
        "no_catchup": True,
        "trigger": {"cron_schedule": {"cron": "0 0 3 * * 1"}},
        "pipeline_version_reference": {
            "pipeline_id": version["pipeline_id"],
            "pipeline_version_id": version["pipeline_version_id"],
        },
        "runtime_config": {"parameters": {"data_uri": "s3://news", "epochs": 3}},
    }
    assert {key: world.only[key] for key in expected} == expected


def test_an_interval_and_a_window(world: _World) -> None:
    world.apply(_file(cron=None, every="6h", start="2026-07-01", end="2026-08-01", catch_up=True, max_concurrency=2))
    assert world.only["trigger"] == {
        "periodic_schedule": {
            "interval_second": "21600",
            "start_time": "2026-07-01T00:00:00Z",
            "end_time": "2026-08-01T00:00:00Z",
        }
    }
    assert (world.only["no_catchup"], world.only["max_concurrency"]) == (False, "2")
    assert (
        world.plan(_file(cron=None, every="6h", start="2026-07-01", end="2026-08-01", catch_up=True, max_concurrency=2))
        .changes[0]
        .kind
        is Kind.KEEP
    )


def test_again_changes_nothing(world: _World) -> None:
    world.apply(_file())
    # Numbers come back from the server as floats.
    world.only["runtime_config"]["parameters"]["epochs"] = 3.0
    assert world.plan(_file()).changes[0].kind is Kind.KEEP
    before = world.server.calls("POST")
    assert world.apply(_file()) == 0
    assert world.server.calls("POST") == before


def test_a_plan_asks_for_what_schedules_share_once(world: _World) -> None:
    entries = tuple(_file(name=f"schedule-{number}").schedules[0] for number in range(7))
    file = ScheduleFile(schedules=entries)
    world.apply(file)
    world.server.requests.clear()
    world.plan(file)
    assert world.server.calls() == 4, "recurring runs, the experiment, the pipeline, the version"
    world.server.requests.clear()
    plan_schedules(world.api, file, None, NOW)
    assert world.server.calls() == 3


def test_what_the_server_fills_in_is_not_a_change(world: _World) -> None:
    assert world.apply(_file()) == 1
    assert world.only["service_account"] == "pipeline-runner"
    (change,) = world.plan(_file()).changes
    assert (change.kind, change.notes) == (Kind.KEEP, ())
    assert world.apply(_file()) == 0


def test_an_account_of_ones_own_is_kept_and_one_taken_out_again_is_a_change(world: _World) -> None:
    world.apply(_file(service_account="trainer"))
    assert world.plan(_file(service_account="trainer")).changes[0].kind is Kind.KEEP
    (change,) = world.plan(_file()).changes
    assert change.kind is Kind.REPLACE
    assert change.differences == (("service_account", "trainer", "the server's own"),)


def test_what_the_server_makes_otherwise_is_deleted_again_and_explained(world: _World) -> None:
    world.server.ignores_accounts = True
    with pytest.raises(AgnewsError, match="made another schedule of weekly") as raised:
        world.apply(_file(service_account="trainer"))
    assert raised.value.found == "service_account: trainer was asked for, pipeline-runner is there"
    assert "2.16.1" in str(raised.value.fix)
    assert world.server.recurring == {}
    assert world.server.calls("POST", "/recurringruns$") == 1


def _running(world: _World) -> str:
    run_id = "11111111-1111-4111-8111-111111111111"
    started_by = world.only["recurring_run_id"]
    world.server.runs[run_id] = {
        "run_id": run_id,
        "display_name": "weekly 1",
        "state": "RUNNING",
        "created_at": world.server.now(),
        "recurring_run_id": started_by,
        "experiment_id": world.only["experiment_id"],
    }
    return run_id


def test_a_run_that_goes_on_survives_the_replacement_and_the_deletion_of_its_schedule(world: _World) -> None:
    world.apply(_file())
    _running(world)
    world.apply(_file(cron="0 5 * * *"))
    world.server.runs.clear()
    _running(world)
    world.apply(_file(name="other"), prune=True)
    assert {record["display_name"] for record in world.server.recurring.values()} == {"other"}
    assert world.server.killed == []


def test_an_older_server_keeps_the_replaced_schedule_disabled_until_its_run_has_ended(
    world: _World, connect: Callable[..., KfpApi]
) -> None:
    world.server.tag = "2.15.0"
    world.api = connect()
    world.apply(_file())
    run = _running(world)
    world.apply(_file(cron="0 5 * * *"))
    assert sorted(record["status"] for record in world.server.recurring.values()) == ["DISABLED", "ENABLED"]
    assert world.plan(_file(cron="0 5 * * *")).changes[0].kind is Kind.FINISH
    with pytest.raises(AgnewsError, match="A run of weekly goes on"):
        world.apply(_file(name="other"), prune=True)
    world.server.runs[run]["state"] = "SUCCEEDED"
    world.apply(_file(cron="0 5 * * *"), prune=True)
    assert world.only["trigger"]["cron_schedule"]["cron"] == "0 0 5 * * *"
    assert world.server.killed == []


def test_the_namespace_of_a_server_for_one_user_is_left_out_of_what_it_refuses(
    world: _World, connect: Callable[..., KfpApi]
) -> None:
    world.api = connect(namespace="kubeflow")
    world.apply(_file())
    # What the server refuses is not sent; it fills in the one that it has.
    assert world.only["namespace"] == "kubeflow"


@pytest.mark.parametrize("catch_up", [False, True])
def test_a_replacement_starts_nothing_for_times_that_have_passed(world: _World, catch_up: bool) -> None:
    world.apply(_file(start="2026-01-01", catch_up=catch_up))
    world.apply(_file(start="2026-01-01", catch_up=catch_up, cron="0 5 * * *"))
    assert world.only["trigger"]["cron_schedule"] == {"cron": "0 0 5 * * *"}
    # The server starts what has passed at once: when it is new and catches up, and never again.
    assert len(world.server.runs) == catch_up
    (change,) = world.plan(_file(start="2026-01-01", catch_up=catch_up, cron="0 5 * * *")).changes
    assert (change.kind, change.notes) == (Kind.KEEP, ())
    # What the file says counts, not what was sent.
    (change,) = world.plan(_file(start="2026-02-01", catch_up=catch_up, cron="0 5 * * *")).changes
    assert [field for field, _, _ in change.differences] == ["start"]


def test_an_interval_keeps_its_multiples_and_starts_none_that_has_passed(world: _World) -> None:
    file = _file(cron=None, every="6h", start="2020-01-01T01:00:00Z")
    world.apply(file)
    now = datetime.now(UTC)
    sent = datetime.fromisoformat(world.only["trigger"]["periodic_schedule"]["start_time"])
    assert now - timedelta(hours=6) < sent <= now
    assert sent.hour % 6 == 1
    world.apply(_file(cron=None, every="6h", start="2020-01-01T01:00:00Z", max_concurrency=2))
    again = datetime.fromisoformat(world.only["trigger"]["periodic_schedule"]["start_time"])
    assert (again - sent) % timedelta(hours=6) == timedelta()


def test_an_interval_without_a_start_goes_on_in_step_when_it_is_replaced(world: _World) -> None:
    world.apply(_file(cron=None, every="6h"))
    created = datetime.fromisoformat(world.only["created_at"])
    assert world.plan(_file(cron=None, every="6h")).changes[0].fire_times[0] == created + timedelta(
        hours=6 * ((NOW - created) // timedelta(hours=6) + 1)
    )
    world.apply(_file(cron=None, every="6h", max_concurrency=2))
    sent = datetime.fromisoformat(world.only["trigger"]["periodic_schedule"]["start_time"])
    assert (sent - created) % timedelta(hours=6) == timedelta()


def test_a_plan_says_what_starts_at_once(world: _World) -> None:
    (change,) = world.plan(_file(start="2026-05-01", catch_up=True)).changes
    (note,) = change.notes
    assert note.startswith("starts 5 at once, one after the other, for 2026-05-04 03:00 UTC and later: catch_up makes")
    world.apply(_file(start="2026-05-01", catch_up=True))
    assert world.only["trigger"]["cron_schedule"]["start_time"] == "2026-05-01T00:00:00Z"
    assert world.plan(_file(start="2026-05-01")).changes[0].notes == ()


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 3 31 4,6 *", "0 3 29 2 */2"])
def test_a_cron_that_starts_nothing_for_five_years_is_refused(world: _World, cron: str) -> None:
    with pytest.raises(AgnewsError, match="starts nothing for more than five years") as raised:
        world.plan(_file(cron=cron))
    assert "for all schedules of the cluster" in str(raised.value.fix)
    assert world.plan(_file(cron="0 3 29 2 *")).changes[0].fire_times[0] == datetime(2028, 2, 29, 3, tzinfo=UTC)


def test_a_plan_shows_what_the_server_leaves_out_where_its_clock_changes(world: _World) -> None:
    file = _file(cron="0 3 * * sun", time_zone="America/Havana").model_copy(
        update={"server_time_zone": "America/Havana"}
    )
    (change,) = world.plan(file).changes
    assert change.notes == ("the server leaves out Sun 2027-03-14 03:00 America/Havana: its clock changes then",)


def test_the_name_of_a_version_does_not_follow_the_commit(world: _World) -> None:
    world.apply(_file())
    (version,) = world.server.versions.values()
    assert version["name"] == world.pipeline.digest[:12]
    plan = world.plan(_file())
    assert apply_plan(world.api, plan, pipeline=world.pipeline, commit="f" * 40) == 0
    assert len(world.server.versions) == 1


def test_a_new_version_of_the_pipeline_replaces_the_schedule(world: _World) -> None:
    world.apply(_file())
    old = world.only["recurring_run_id"]
    world.pipeline = CompiledPipeline.read(world.pipeline.text.replace("0.001", "0.002"))
    plan = world.plan(_file())
    assert (plan.changes[0].kind, [field for field, _, _ in plan.changes[0].differences]) == (Kind.REPLACE, ["version"])
    world.apply(_file())
    assert world.only["recurring_run_id"] != old
    assert world.only["status"] == "ENABLED"
    assert len(world.server.versions) == 2
    assert world.server.most_active == 1


def test_without_a_pipeline_a_schedule_keeps_its_version(world: _World) -> None:
    world.apply(_file())
    kept = world.only["pipeline_version_reference"]
    plan = plan_schedules(world.api, _file(cron="0 4 * * *"), None, NOW)
    assert plan.changes[0].differences == (("cron", "0 0 3 * * 1", "0 0 4 * * *"),)
    apply_plan(world.api, plan, pipeline=None, commit=COMMIT)
    assert world.only["pipeline_version_reference"] == kept
    with pytest.raises(AgnewsError, match="is new, and it is not said which version"):
        plan_schedules(world.api, _file(name="other"), None, NOW)


def test_a_version_that_was_deleted_under_its_schedule_is_told_and_replaced_by_a_file(world: _World) -> None:
    world.apply(_file())
    world.server.versions.clear()
    with pytest.raises(AgnewsError, match=r"(?s)that the schedule weekly runs was deleted.*PIPELINE\.yaml"):
        plan_schedules(world.api, _file(), None, NOW)
    world.apply(_file())
    assert world.only["pipeline_version_reference"]["pipeline_version_id"] in world.server.versions


@pytest.mark.parametrize("kind", ["drop before", "drop after"])
@pytest.mark.parametrize("start", ["nothing", "old", "paused", "disabled in the file"])
def test_cut_at_any_call_and_run_again_it_comes_to_the_same_end(
    world: _World, retry: Retry, fault: Any, kind: str, start: str
) -> None:
    fragile = KfpApi(Connection.read({"host": world.server.host}, {}), Retry(attempts=1))
    calls = 1
    while True:
        world.server.recurring.clear()
        if start != "nothing":
            world.apply(_file(cron="0 5 * * *", enabled=start != "disabled in the file"))
        if start == "paused":
            world.only["status"] = "DISABLED"
        world.server.most_active = 0
        # Everything from this call on fails: the process was killed here.
        world.server.faults = [fault(kind, skip=calls, times=1), fault("drop before", skip=calls)]
        try:
            world.apply(_file(), fragile)
            cut = False
        except ServerError:
            cut = True
        world.server.faults = []
        world.apply(_file())
        assert world.only["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1", f"cut after {calls} calls"
        assert world.only["status"] == ("DISABLED" if start == "paused" else "ENABLED"), f"cut after {calls} calls"
        assert world.server.most_active <= 1
        assert world.plan(_file()).changes[0].kind is Kind.KEEP
        if not cut:
            break
        calls += 1
    assert calls > 5


def test_there_is_no_gap_but_between_disabling_and_enabling(world: _World) -> None:
    world.apply(_file(cron="0 5 * * *"))
    seen = []
    world.server.before = lambda method, path: seen.append(
        (len(world.server.active(NAME)), method, path.partition(":")[2])
    )
    world.apply(_file())
    without = [(method, verb) for active, method, verb in seen if active == 0]
    assert [call for call in without if call[0] != "GET"] == [("POST", "enable")]


def test_a_third_version_after_a_cut_goes_on_from_there(world: _World, fault: Any) -> None:
    world.apply(_file(cron="0 5 * * *"))
    fragile = KfpApi(world.api.connection, Retry(attempts=1))
    world.server.faults = [fault("drop before", "POST", ":enable")]
    with pytest.raises(ServerError):
        world.apply(_file(cron="0 6 * * *"), fragile)
    assert world.server.active(NAME) == []
    world.server.faults = []
    world.apply(_file())
    assert (world.only["status"], world.only["trigger"]["cron_schedule"]["cron"]) == ("ENABLED", "0 0 3 * * 1")


def test_a_creation_whose_answer_was_lost_happens_once(world: _World, fault: Any) -> None:
    world.server.faults = [fault("drop after", "POST", "/recurringruns$", times=1)]
    world.apply(_file())
    assert world.only["status"] == "ENABLED"


def test_what_was_paused_by_hand_stays_paused_and_the_plan_says_so(world: _World) -> None:
    world.apply(_file())
    world.only["status"] = "DISABLED"
    (change,) = world.plan(_file()).changes
    assert change.kind is Kind.KEEP
    assert "paused on the server" in change.notes[0]
    world.apply(_file(cron="0 7 * * *"))
    assert world.only["status"] == "DISABLED"


def test_enabled_in_the_file_decides(world: _World) -> None:
    world.apply(_file(enabled=False))
    assert world.only["status"] == "DISABLED"
    world.apply(_file())
    assert world.only["status"] == "ENABLED"
    world.apply(_file(enabled=False))
    assert world.only["status"] == "DISABLED"
    world.only["status"] = "ENABLED"  # by hand, in the UI
    assert world.plan(_file(enabled=False)).changes[0].kind is Kind.DISABLE
    world.apply(_file(enabled=False))
    assert world.only["status"] == "DISABLED"


def test_a_change_between_plan_and_apply_is_noticed(world: _World) -> None:
    world.apply(_file())
    plan = world.plan(_file(cron="0 4 * * *"))
    world.only["status"] = "DISABLED"
    before = dict(world.server.recurring)
    with pytest.raises(AgnewsError, match=r"(?s)Somebody else.*is disabled now"):
        world.apply(_file(cron="0 4 * * *"), plan=plan)
    assert world.server.recurring == before
    assert world.plan(_file(cron="0 4 * * *")).digest != plan.digest


def test_a_change_in_the_middle_of_apply_is_noticed_and_what_was_created_is_taken_back(world: _World) -> None:
    world.apply(_file(cron="0 5 * * *"))
    old = world.only["recurring_run_id"]
    done = False

    def interfere(method: str, path: str) -> None:
        nonlocal done
        if len(world.server.recurring) == 2 and not done:
            done = True
            twin = {**world.server.recurring[old], "recurring_run_id": "twin", "status": "DISABLED"}
            world.server.recurring["twin"] = twin

    world.server.before = interfere
    with pytest.raises(AgnewsError, match=r"(?s)Somebody else.*twin is new"):
        world.apply(_file())
    assert set(world.server.recurring) == {old, "twin"}
    assert world.server.recurring[old]["status"] == "ENABLED"


def test_a_recurring_run_of_the_same_name_made_by_hand_is_left_alone(world: _World) -> None:
    world.apply(_file())
    world.only["description"] = "mine"
    with pytest.raises(AgnewsError, match="was not made by agnews schedule"):
        world.plan(_file())


def test_what_is_not_in_the_file_any_more_stays_until_it_is_pruned(world: _World) -> None:
    world.apply(_file())
    world.apply(_file(name="other"))
    assert {record["display_name"] for record in world.server.recurring.values()} == {NAME, "other"}
    assert world.plan(_file(name="other")).changes[1].kind is Kind.LEFT
    world.apply(_file(name="other"), prune=True)
    assert world.only["display_name"] == "other"


def test_parameters_are_checked_before_anything_is_changed(world: _World) -> None:
    with pytest.raises(AgnewsError, match=r"(?s)The schedule weekly: .*Did you mean epochs"):
        world.plan(_file(parameters={"data_uri": "s3://news", "epoch": 3}))
    with pytest.raises(AgnewsError, match=r"(?s)The schedule weekly: .*found: data_uri.*under `parameters`"):
        world.plan(_file(parameters={}))
    with pytest.raises(AgnewsError, match="must be of the type NUMBER_INTEGER"):
        world.plan(_file(parameters={"data_uri": "s3://news", "epochs": "3"}))


@pytest.mark.parametrize("ours_is_older", [True, False])
def test_two_people_who_create_the_same_schedule_at_the_same_time_end_with_one(
    world: _World, ours_is_older: bool
) -> None:
    done = False

    def interfere(method: str, path: str) -> None:
        nonlocal done
        if len(world.server.recurring) == 1 and not done:
            done = True
            created = "2030-01-01T00:00:00Z" if ours_is_older else "2020-01-01T00:00:00Z"
            world.server.recurring["twin"] = {**world.only, "recurring_run_id": "twin", "created_at": created}

    world.server.before = interfere
    with pytest.raises(AgnewsError, match="Somebody else"):
        world.apply(_file())
    # The other does the same from the other side.
    assert "twin" in world.server.recurring
    assert len(world.server.recurring) == (2 if ours_is_older else 1)
    world.apply(_file())
    assert world.only["status"] == "ENABLED"
