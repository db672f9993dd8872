"""The files in deploy/ and docs/cluster.md name only commands, options and files that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from recsys_search import cli

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
WORKER_UNIT = DEPLOY / "systemd" / "recsys-search-worker@.service"
SBATCH = DEPLOY / "slurm" / "workers.sbatch"
PAGE = ROOT / "docs" / "cluster.md"

# Keys that systemd 252 and later know, in the sections where it reads them.
UNIT_KEYS = {
    "Unit": {"Description", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        "CapabilityBoundingSet",
        "EnvironmentFile",
        "ExecStart",
        "KillSignal",
        "LockPersonality",
        "NoNewPrivileges",
        "PrivateDevices",
        "PrivateTmp",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "ProtectSystem",
        "ReadWritePaths",
        "Restart",
        "RestartSec",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "StateDirectory",
        "SuccessExitStatus",
        "SystemCallArchitectures",
        "TimeoutStopSec",
        "UMask",
        "User",
        "WorkingDirectory",
    },
    "Install": {"WantedBy"},
}
SBATCH_OPTIONS = {
    "array",
    "cpus-per-task",
    "gres",
    "job-name",
    "mem",
    "ntasks",
    "open-mode",
    "output",
    "requeue",
    "signal",
    "time",
}
COMPOSE_KEYS = {
    "build",
    "command",
    "depends_on",
    "deploy",
    "environment",
    "healthcheck",
    "image",
    "init",
    "ports",
    "restart",
    "stop_grace_period",
    "volumes",
}


def check_command(words):
    """Fail unless the program has the command, and the command all options; `words` follow it."""
    command, left = typer.main.get_command(cli.app), list(words)
    while left and not left[0].startswith("-") and hasattr(command, "commands"):
        name = left.pop(0)
        assert name in command.commands, f"no command {name}: {shlex.join(words)}"
        command = command.commands[name]
    assert command.callback, f"no command: {shlex.join(words)}"
    # Raises for an unknown option, and for one without its value.
    values, rest, _ = command.make_parser(command.context_class(command)).parse_args(args=left)
    places = [each for each in command.params if each.param_type_name == "argument"]
    assert not rest or places, f"{rest} is too much: {shlex.join(words)}"
    missing = [each.name for each in command.params if each.required and not values.get(each.name)]
    assert not missing, f"{missing} is missing: {shlex.join(words)}"


def program_calls(text):
    """The words after `recsys-search` on each line of a shell script or page that calls it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if call := re.match(r"\s*(?:\S+=\S+ |exec |srun (?:-\S+ )*)*recsys-search (.*)", line):
            yield [word.strip(";&|") for word in shlex.split(call[1], comments=True)]


def read_unit(path):
    """Section -> key -> values."""
    sections, section = {}, None
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(header[1], {})
        else:
            key, value = re.fullmatch(r"(\w+)=(.*)", line).groups()
            section.setdefault(key, []).append(value)
    return sections


def read_compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def program_services():
    return {name: each for name, each in read_compose()["services"].items() if "command" in each}


def variables(text):
    return set(re.findall(r"\bRECSYS_SEARCH_[A-Z_]+", text))


def env_example():
    lines = (DEPLOY / "systemd" / "recsys-search.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_variable_is_one_that_the_program_reads():
    code = [path for path in ROOT.rglob("*.py") if "tests" not in path.relative_to(ROOT).parts]
    known = set().union(*(variables(path.read_text()) for path in code))
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    named = set().union(*(variables(path.read_text()) for path in (*files, PAGE)))
    assert {"RECSYS_SEARCH_STORAGE", "RECSYS_SEARCH_ARTIFACTS", "RECSYS_SEARCH_DATA_DIR"} <= named
    assert named <= known


# systemd


def test_the_units_are_there():
    assert [path.name for path in UNITS] == [
        "recsys-search-dashboard.service",
        "recsys-search-worker@.service",
    ]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_has_only_known_keys(path):
    unit = read_unit(path)
    assert unit.keys() == UNIT_KEYS.keys()
    for section, values in unit.items():
        assert values.keys() <= UNIT_KEYS[section]
        assert all(len(each) == 1 for each in values.values())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_of_the_program(path):
    program, *words = shlex.split(read_unit(path)["Service"]["ExecStart"][0])
    assert Path(program).is_absolute()
    assert (
        Path(program).name
        in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    )
    check_command(words)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_holds_no_password(path):
    text = path.read_text()
    assert "://" not in re.sub(r"http://127\.0\.0\.1", "", text)
    assert read_unit(path)["Service"]["EnvironmentFile"] == ["/etc/recsys-search/recsys-search.env"]


def test_a_worker_that_is_stopped_has_time_to_save_a_checkpoint():
    service = read_unit(WORKER_UNIT)["Service"]
    assert service["KillSignal"] == ["SIGTERM"]
    assert service["SuccessExitStatus"] == ["143"]
    assert int(service["TimeoutStopSec"][0]) >= 60
    assert service["Restart"] == ["always"]


def test_a_worker_may_write_where_the_example_puts_files():
    (writable,) = read_unit(WORKER_UNIT)["Service"]["ReadWritePaths"]
    folders = [env_example()[f"RECSYS_SEARCH_{name}"] for name in ("ARTIFACTS", "DATA_DIR")]
    assert all(Path(folder).is_relative_to(writable) for folder in folders)


def test_a_worker_sees_gpus_and_other_workers():
    hidden = {"PrivateDevices", "DevicePolicy", "MemoryDenyWriteExecute", "ProtectProc"}
    assert not hidden & read_unit(WORKER_UNIT)["Service"].keys()


# compose


def test_a_service_has_only_known_keys():
    compose = read_compose()
    assert compose["services"].keys() == {"database", "worker", "dashboard"}
    for service in compose["services"].values():
        assert service.keys() <= COMPOSE_KEYS
        named = {volume.split(":")[0] for volume in service["volumes"]}
        assert named <= compose["volumes"].keys()


def test_services_run_commands_of_the_program():
    for service in program_services().values():
        check_command(service["command"])


def test_no_password_is_written_into_the_file():
    text = (DEPLOY / "compose.yaml").read_text()
    passwords = re.findall(r"PASSWORD: (.*)|recsys:(.*)@database", text)
    assert len(passwords) == 2
    assert all("${POSTGRES_PASSWORD:?" in "".join(each) for each in passwords)


def test_the_program_waits_for_the_database_and_its_url_fits():
    database = read_compose()["services"]["database"]
    assert {"test", "interval", "timeout", "retries"} <= database["healthcheck"].keys()
    user, name = (database["environment"][f"POSTGRES_{key}"] for key in ("USER", "DB"))
    for service in program_services().values():
        assert service["depends_on"] == {"database": {"condition": "service_healthy"}}
        url = service["environment"]["RECSYS_SEARCH_STORAGE"]
        assert re.fullmatch(rf"postgresql\+psycopg://{user}:\$\{{.*\}}@database/{name}", url)


def test_workers_restart_and_have_time_to_save_a_checkpoint():
    worker = read_compose()["services"]["worker"]
    assert worker["restart"] == "unless-stopped"
    assert worker["stop_grace_period"] == "2m"
    assert re.fullmatch(r"\$\{WORKERS:-\d+\}", worker["deploy"]["replicas"])
    # With one host name for several containers, a worker would take others' processes for dead.
    assert "hostname" not in worker


def test_all_services_share_artifacts_and_data():
    for service in program_services().values():
        (target,) = (volume.split(":")[1] for volume in service["volumes"])
        for name in ("ARTIFACTS", "DATA_DIR"):
            assert Path(service["environment"][f"RECSYS_SEARCH_{name}"]).is_relative_to(target)


def test_the_dashboard_is_published_to_this_machine_alone():
    dashboard = read_compose()["services"]["dashboard"]
    (port,) = dashboard["ports"]
    assert (
        port == f"127.0.0.1:8080:{dashboard['command'][dashboard['command'].index('--port') + 1]}"
    )
    assert "0.0.0.0" in dashboard["command"]
    assert {"ports"}.isdisjoint(read_compose()["services"]["worker"])


# The image


def instructions():
    """(name, words) of each line of the Dockerfile."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split()[1:]) for line in lines]


def test_compose_builds_the_image_from_the_root():
    for service in program_services().values():
        build = service["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_the_image_gets_all_that_the_package_consists_of():
    copied = [word for name, words in instructions() if name == "COPY" for word in words[:-1]]
    assert all((ROOT / each).exists() for each in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    folders = {package.split(".")[1] for package in packages if "." in package}
    modules = {path.name for path in ROOT.glob("*.py")}
    needed = folders | modules | {"pyproject.toml", "py.typed", project["project"]["readme"]}
    assert needed <= set(copied)


def test_the_image_installs_extras_that_exist():
    (install,) = (words for name, words in instructions() if name == "RUN" and words[0] == "pip")
    constraints = install[install.index("-c") + 1]
    assert (ROOT / constraints).exists()
    extras = re.fullmatch(r"'\.\[(.*)\]'", install[-1])[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= project["optional-dependencies"].keys()
    assert "postgres" in extras


def test_the_image_runs_the_program_as_an_ordinary_user():
    names = dict(instructions())
    assert names["ENTRYPOINT"] == ['["recsys-search"]']
    assert names["USER"] == ["recsys"]


# SLURM


def test_the_batch_script_is_valid_for_bash():
    done = subprocess.run(["bash", "-n", SBATCH], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def sbatch_options():
    lines = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", SBATCH.read_text(), re.MULTILINE)
    assert len(lines) == SBATCH.read_text().count("\n#SBATCH ")
    return dict(lines)


def test_the_batch_script_has_only_known_options():
    options = sbatch_options()
    assert options.keys() <= SBATCH_OPTIONS
    # Without B: the signal goes to the steps that srun starts.
    assert re.fullmatch(r"USR1@\d+", options["signal"])
    assert "requeue" in options
    assert re.search(r"^srun .*recsys-search worker", SBATCH.read_text(), re.MULTILINE)


def test_the_batch_script_runs_commands_of_the_program():
    calls = list(program_calls(SBATCH.read_text()))
    assert len(calls) == 1
    for words in calls:
        check_command(words)


@pytest.fixture
def batch(tmp_path):
    """Runs the batch script with an srun that ends with a code; returns its code and requeues."""
    bodies = {"srun": 'exit "$CODE"', "squeue": 'echo "$STATE"', "scontrol": 'echo "$@" >> "$LOG"'}
    for name, body in bodies.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def run(code, *args, state="RUNNING", **variables):
        log = tmp_path / "scontrol.log"
        log.write_text("")
        job = {"SLURM_CPUS_PER_TASK": "2", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
        fakes = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CODE": code, "STATE": state, "LOG": log}
        environment = {name: str(value) for name, value in (fakes | job | variables).items()}
        done = subprocess.run(["bash", SBATCH, *args], env=environment, capture_output=True)
        return done.returncode, log.read_text()

    return run


STORAGE = {"RECSYS_SEARCH_STORAGE": "postgresql://host/db", "RECSYS_SEARCH_ARTIFACTS": "/shared"}


@pytest.mark.parametrize(
    ("code", "state", "requeued"),
    [
        (138, "RUNNING", "requeue 7_3\n"),
        (143, "RUNNING", "requeue 7_3\n"),
        (143, "COMPLETING", ""),
        (0, "RUNNING", ""),
        (1, "RUNNING", ""),
    ],
)
def test_a_job_whose_worker_left_early_is_queued_again(batch, code, state, requeued):
    assert batch(code, "demo", state=state, **STORAGE) == (code, requeued)


def test_without_study_or_storage_no_worker_is_started(batch):
    assert batch(138, **STORAGE)[0] != 138
    assert batch(138, "demo")[0] != 138


# The page


def test_the_page_shows_commands_of_the_program():
    blocks = "\n".join(re.findall(r"^    (.*)$", PAGE.read_text(), re.MULTILINE))
    calls = list(program_calls(blocks))
    assert {"start", "stop", "status"} <= {words[0] for words in calls}
    for words in calls:
        check_command(words)
    for words in re.findall(r"docker compose run (?:-\S+ )*worker (.*)", blocks):
        check_command(shlex.split(words))


def test_the_page_names_files_that_exist():
    for name in re.findall(r"deploy/[\w@./-]*[\w]", PAGE.read_text()):
        assert (ROOT / name).exists() or name == "deploy/.env", name


def test_the_page_is_linked():
    assert "docs/cluster.md" in (ROOT / "README.md").read_text()
    assert "cluster.md" in (ROOT / "docs" / "reliability.md").read_text()
