"""The checks of `doctor` on good and bad machines. GPUs are faked by faking torch's answers."""

from __future__ import annotations

import os
import platform
import socket
import sqlite3
import sys
import warnings
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import psutil
import pytest
import sqlalchemy
import torch
from recsys_search.base import files
from recsys_search.data.sets.registry import DATASETS
from recsys_search.model.training.self_test import SelfTest
from recsys_search.search.doctor import data as data_checks
from recsys_search.search.doctor import examination as doctor
from recsys_search.search.doctor import machine as machine_checks
from recsys_search.search.doctor import storage as storage_checks
from recsys_search.search.doctor.examination import examine
from recsys_search.search.doctor.storage import file_system
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.storage.database import writable_storage

# What may be poor on the machine that runs the tests, and does not keep a study from running.
ITS_OWN = {"cuda", "gpu_memory", "gpu_sharing", "threads", "file_system"}
TRAINED = SelfTest(amp="off", n_steps=16, loss=1.0, float32_loss=1.0, grad_norm=0.5)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def checks(url, tmp_path, monkeypatch):
    """Runs the checks, by default on the CPU, and returns them by name. The self-test is faked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine_checks, "self_test", lambda device: TRAINED)

    def checks(storage_url=url, **options):
        made = examine(storage_url, **{"device": "cpu", **options})
        for check in made:
            assert check.ok == (check.remedy is None)
            assert check.detail
            assert "\n" not in f"{check.detail}{check.remedy}"
        return {check.check: check for check in made}

    return checks


def failure(check):
    """A failed check as (whether it blocks a study, detail, remedy)."""
    assert not check.ok, check
    return check.blocking, check.detail, check.remedy


def not_ok(checks):
    return {name for name, check in checks.items() if not check.ok}


def test_a_good_machine_can_run_a_study(url):
    found = {check.check: check for check in examine(url)}
    assert list(found) == list(doctor.CHECKS)
    assert not_ok(found) <= ITS_OWN
    assert not any(check.blocking for check in found.values())
    assert found["python"].detail == platform.python_version()
    assert found["torch"].detail == torch.__version__
    assert "after 16 training steps" in found["amp"].detail


# One check and the others.


def test_an_error_in_one_check_fails_only_that_check(checks, monkeypatch):
    def broken(plan):
        raise ZeroDivisionError("by\nzero")

    row = doctor.CHECKS["storage_room"]
    monkeypatch.setitem(doctor.CHECKS, "storage_room", row._replace(look=broken))
    found = checks()
    assert not_ok(found) - ITS_OWN == {"storage_room"}
    assert failure(found["storage_room"]) == (True, "ZeroDivisionError: by zero", row.remedy)
    assert list(found) == list(doctor.CHECKS)


@pytest.mark.parametrize(
    "error", [ImportError("libcudart.so.12: cannot open"), OSError("libtorch_cpu.so: bad ELF")]
)
def test_a_torch_that_cannot_be_loaded_is_reported_once_with_the_remedy(checks, monkeypatch, error):
    def load(module):
        if module == "torch":
            raise error

    monkeypatch.setattr(doctor, "import_module", load)
    found = checks()
    blocking, detail, remedy = failure(found["torch"])
    assert (blocking, detail) == (True, f"{type(error).__name__}: {error}")
    assert remedy.startswith("install again: pip install ")
    assert failure(found["device"]) == (False, "not checked without torch", "see torch")
    assert failure(found["amp"]) == (False, "not checked without device", "see device")
    assert found["storage"].ok


def test_a_missing_dashboard_does_not_block_a_study(checks, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    blocking, detail, remedy = failure(checks()["dashboard"])
    assert (blocking, "optuna_dashboard" in detail) == (False, True)
    assert remedy.startswith("install again: pip install ")


def test_a_missing_library_of_a_check_is_reported(checks, monkeypatch):
    monkeypatch.delitem(sys.modules, "recsys_search.search.doctor.storage")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    blocking, detail, remedy = failure(checks()["storage"])
    assert (blocking, "sqlalchemy" in detail) == (True, True)
    assert remedy.startswith("install again: pip install ")


def test_an_old_python_is_refused(checks, monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.14")
    assert failure(checks()["python"]) == (
        True,
        "3.10.14 is too old",
        "install Python 3.11 or newer",
    )


# Storage.


def listing(folder):
    return sorted((path, path.stat().st_size) for path in folder.rglob("*"))


def test_the_checks_leave_nothing_behind(checks, tmp_path):
    assert "can be created" in checks(data_dir=tmp_path / "none")["storage"].detail
    assert listing(tmp_path) == []


def test_the_checks_do_not_change_a_storage(checks, workplace, monkeypatch):
    run_study(workplace.write_study(trials=1), workplace.storage, device="cpu")
    for side_file in ("studies.db-wal", "studies.db-shm"):
        (workplace.folder / side_file).unlink(missing_ok=True)
    before = listing(workplace.folder)
    assert checks(workplace.storage)["storage"].detail == (
        f"{workplace.storage} exists, and can be written"
    )
    assert listing(workplace.folder) == before


def test_a_storage_in_use_is_good(checks, url, tmp_path):
    with (
        writable_storage(url) as storage,
        closing(sqlite3.connect(tmp_path / "studies.db")) as writer,
    ):
        storage.get_all_studies()
        writer.execute("BEGIN IMMEDIATE")
        assert checks()["storage"].ok


def test_an_unwritable_folder_is_reported(checks, tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "TemporaryFile", refuse)
    assert failure(checks()["storage"]) == (
        True,
        f"folder {tmp_path} cannot be written: Permission denied",
        "choose another folder, or ask its owner for write access",
    )


def test_an_unwritable_folder_of_epoch_reports_is_reported(checks, tmp_path):
    (tmp_path / "studies.artifacts").write_text("a file")
    blocking, detail, _ = failure(checks()["storage"])
    assert blocking
    assert detail == f"folder {tmp_path}/studies.artifacts cannot be written: Not a directory"


def test_a_read_only_file_is_reported(checks, url, tmp_path, monkeypatch):
    with writable_storage(url):
        pass
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert failure(checks()["storage"]) == (
        True,
        f"{tmp_path}/studies.db is not writable",
        "ask its owner, or name another with --storage",
    )


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"ab"])
def test_a_file_that_is_not_a_database_is_reported_and_not_changed(checks, tmp_path, content):
    (tmp_path / "studies.db").write_bytes(content)
    blocking, detail, remedy = failure(checks()["storage"])
    assert blocking
    assert detail.endswith("cannot be opened: file is not a database")
    assert remedy == "restore the file from a copy, or name another with --storage"
    assert (tmp_path / "studies.db").read_bytes() == content


def test_another_programs_database_is_reported(checks, tmp_path):
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    assert failure(checks()["storage"]) == (
        True,
        f"{tmp_path}/studies.db is the database of another program",
        "name another with --storage",
    )


def test_the_tables_of_another_optuna_version_are_reported(checks, url, tmp_path):
    with writable_storage(url):
        pass
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        connection.execute("UPDATE version_info SET library_version = '0.9.0'")
    blocking, detail, _ = failure(checks()["storage"])
    assert blocking
    assert detail.startswith(f"storage {url} cannot be opened: The runtime optuna version ")


def test_an_empty_file_can_become_a_storage(checks, tmp_path):
    (tmp_path / "studies.db").touch()
    assert checks()["storage"].ok


@pytest.mark.parametrize(
    ("url", "detail", "remedy"),
    [
        ("studies.db", "storage 'studies.db' is not a database URL", "write sqlite:///studies.db"),
        (
            "sqlite:///:memory:",
            "storage sqlite:///:memory: is lost when the command ends",
            "write sqlite:///studies.db",
        ),
        (
            "sqlite:///none/studies.db",
            "storage sqlite:///none/studies.db: folder none does not exist",
            "create it first",
        ),
        ("sqlite:///.", "{folder} is not a file", "name another with --storage"),
        (
            "oracel://me:sesame@localhost/db",
            "storage oracel://me:***@localhost/db cannot be opened: "
            "Can't load plugin: sqlalchemy.dialects:oracel",
            "write sqlite:///studies.db or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        ),
    ],
)
def test_an_invalid_storage_is_reported(checks, tmp_path, url, detail, remedy):
    detail = detail.format(folder=tmp_path)
    assert failure(checks(url)["storage"]) == (True, detail, remedy)


def test_a_missing_driver_is_reported_with_the_one_to_install(checks, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    blocking, detail, remedy = failure(checks("postgresql+psycopg2://localhost/db")["storage"])
    assert blocking
    assert "psycopg2" in detail
    assert remedy == (
        "pip install 'recsys-search[postgres]' and write "
        "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:sesame@127.0.0.1:1/db",  # nobody listens
        "oracel://me:sesame@localhost/db",
        "postgresql://me:sesame@localhost:port/db",
        "postgresql//me:sesame@localhost/db",
    ],
)
def test_a_password_is_never_shown(checks, url):
    found = checks(url)
    assert found["storage"].blocking
    assert "sesame" not in repr(found)


@pytest.fixture
def empty_database(postgres):
    """The URL of a separate PostgreSQL database without tables."""
    server = sqlalchemy.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS for_doctor WITH (FORCE)")
        connection.exec_driver_sql("DROP ROLE IF EXISTS guest")
        connection.exec_driver_sql("CREATE DATABASE for_doctor")
        connection.exec_driver_sql("CREATE ROLE guest LOGIN")
    server.dispose()
    url = sqlalchemy.make_url(postgres).set(database="for_doctor")
    return url.render_as_string(hide_password=False)


def tables(url):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    return sqlalchemy.inspect(engine).get_table_names()


def as_guest(url):
    return sqlalchemy.make_url(url).set(username="guest").render_as_string(hide_password=False)


def test_an_empty_postgresql_is_good_and_stays_empty(checks, empty_database):
    found = checks(empty_database)
    assert found["storage"].detail.endswith(" answers, but holds no studies yet")
    assert found["file_system"].detail == "not needed: the studies are on a database server"
    assert tables(empty_database) == []


def test_a_postgresql_that_holds_studies_is_good(checks, empty_database):
    with writable_storage(empty_database):
        pass
    found = checks(empty_database)
    assert found["storage"].detail.endswith(" has tables for studies that can be written")


@pytest.mark.parametrize("has_studies", [False, True])
def test_a_postgresql_user_without_write_access_is_reported(checks, empty_database, has_studies):
    if has_studies:
        with writable_storage(empty_database):
            pass
    before = tables(empty_database)
    blocking, detail, remedy = failure(checks(as_guest(empty_database))["storage"])
    assert blocking
    assert "permission denied for " in detail
    assert remedy == "allow its user to create tables and write to them, or correct the URL"
    assert tables(empty_database) == before


@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_does_not_answer_is_reported(checks, monkeypatch, listens):
    pytest.importorskip("psycopg", reason="psycopg, the driver of PostgreSQL, is not installed")
    monkeypatch.setattr(storage_checks, "TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if listens else 1
        blocking, detail, remedy = failure(
            checks(f"postgresql+psycopg://127.0.0.1:{port}/db")["storage"]
        )
    assert blocking
    assert ("timeout" in detail) == listens
    assert remedy.startswith("start the server, or correct the URL's user")


MOUNTS = {
    "/": "ext4",
    "/proc": "proc",
    "/home": "nfs4",
    "/home/me/local": "xfs",
    "/mnt/two words": "fuse.sshfs",
    "/var": "ext4",
}


@pytest.fixture
def mounted(monkeypatch):
    """Sets the file systems of the machine: (mount point, type) pairs, in mount order."""

    def mounted(*mounts):
        partitions = [SimpleNamespace(mountpoint=str(at), fstype=kind) for at, kind in mounts]
        monkeypatch.setattr(storage_checks.psutil, "disk_partitions", lambda all: partitions)

    return mounted


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/studies.db", "ext4"),
        ("/homestead/studies.db", "ext4"),
        ("/home/me/studies.db", "nfs4"),
        ("/home/me/local/studies.db", "xfs"),
        ("/mnt/two words/studies.db", "fuse.sshfs"),
        ("/var/studies.db", "nfs"),  # mounted over the disk
    ],
)
def test_a_file_is_on_the_deepest_and_latest_mount(mounted, path, kind):
    mounted(*MOUNTS.items(), ("/var", "nfs"))
    assert file_system(files.Path(path)) == kind


def test_this_machines_file_systems_are_known(tmp_path):
    assert file_system(tmp_path)


def test_without_mount_points_the_file_system_is_unknown(checks, mounted):
    mounted()
    detail = checks()["file_system"].detail
    assert detail == "unknown on this system; SQLite needs a local disk"


def test_sqlite_on_a_network_file_system_is_a_warning(checks, tmp_path, mounted):
    mounted((tmp_path, "nfs4"))
    assert failure(checks()["file_system"]) == (
        False,
        f"{tmp_path}/studies.db is on nfs4, where SQLite can lose writes by several processes",
        "name a file on a local disk with --storage, or "
        "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
    )


def test_a_full_disk_is_reported(checks, tmp_path, monkeypatch):
    monkeypatch.setattr(storage_checks, "free_bytes", lambda path: 150 * 10**6)
    assert failure(checks()["storage_room"]) == (
        True,
        f"150 MB left in {tmp_path}, and a study needs 200 MB",
        "free some space, or name another folder with --storage",
    )


# Data.


@pytest.fixture
def server(monkeypatch):
    """A fake GroupLens server: it has a zip of ml-1m but none of ml-10m."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200 if self.path == "/ml-1m.zip" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    for name in ("ml-1m", "ml-10m"):
        address = f"http://127.0.0.1:{server.server_port}/{name}.zip"
        monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], url=address))
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def datasets(tmp_path):
    """A data folder that holds a tiny ml-latest-small."""
    folder = tmp_path / "data" / "ml-latest-small"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,10,3\n")
    return folder.parent


def test_without_a_dataset_the_available_ones_are_named(checks, datasets):
    found = checks(data_dir=datasets)["dataset"]
    assert found.ok
    assert not found.required
    assert found.detail == f"ml-latest-small, demo; start downloads the others to {datasets}"


@pytest.mark.parametrize(
    ("dataset", "detail"),
    [
        ("ml-latest-small", "{datasets}/ml-latest-small"),
        ("demo", "demo is generated"),
        ("demo:1000k", "demo:1M is generated"),
        ("data/ml-latest-small", "{datasets}/ml-latest-small/ratings.csv"),
        ("ml-1m", "ml-1m is not in {datasets} yet; start downloads it"),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_dataset_that_exists_or_can_be_downloaded_is_good(checks, datasets, dataset, detail):
    found = checks(data_dir=datasets, dataset=dataset)
    assert found["dataset"].ok
    assert found["dataset"].required
    assert found["dataset"].detail == detail.format(datasets=datasets)
    assert found["data_room"].ok
    assert [path.name for path in datasets.iterdir()] == ["ml-latest-small"]


@pytest.mark.parametrize(
    ("dataset", "detail", "remedy"),
    [
        ("ml-2m", "no dataset named 'ml-2m'", "choose from "),
        ("data", "{datasets} has no ratings.csv, ratings.parquet, ", "add a ratings.csv "),
        ("ml-10m", "cannot download ml-10m: http://127.0.0.1:", "run 'recsys-search data downl"),
    ],
)
@pytest.mark.usefixtures("server")
def test_an_unavailable_dataset_is_reported(checks, datasets, dataset, detail, remedy):
    blocking, found, remedy_shown = failure(checks(data_dir=datasets, dataset=dataset)["dataset"])
    assert blocking
    assert found.startswith(detail.format(datasets=datasets))
    assert remedy_shown.startswith(remedy)


@pytest.mark.usefixtures("server")
def test_a_disk_too_small_for_the_dataset_is_reported(checks, datasets, monkeypatch):
    monkeypatch.setattr(data_checks, "free_bytes", lambda path: 5 * 10**8)
    assert failure(checks(data_dir=datasets, dataset="ml-10m")["data_room"]) == (
        True,
        f"0.5 GB left in {datasets}, and ml-10m takes 0.8 GB",
        "free some space, or choose another folder with --data-dir",
    )
    for dataset in (None, "ml-latest-small", "ml-1m"):  # nothing to come, or 0.1 GB
        assert checks(data_dir=datasets, dataset=dataset)["data_room"].ok


# Devices.


@pytest.fixture
def no_gpu(monkeypatch):
    """A machine without a GPU and without a driver."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(machine_checks, "NVIDIA_DRIVER", files.Path("/none"))
    monkeypatch.setattr(machine_checks.shutil, "which", lambda program: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def driver(no_gpu, monkeypatch):
    """A driver, and a torch that sees no GPU."""
    monkeypatch.setattr(machine_checks.shutil, "which", lambda program: f"/usr/bin/{program}")


@pytest.fixture
def gpu(monkeypatch):
    """One GPU, whose properties a test may change."""
    gpu = SimpleNamespace(name="Tesla T4", capability=(7, 5), free=14 * 2**30, total=15 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: gpu.name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: gpu.capability)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (gpu.free, gpu.total))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    return gpu


@pytest.mark.usefixtures("no_gpu")
def test_a_machine_without_a_gpu_is_good(checks, monkeypatch):
    monkeypatch.setattr(machine_checks, "n_threads", lambda: 1)
    found = checks(device="auto")
    assert found["cuda"].ok
    assert found["cuda"].detail == "none: trains on the CPU with 1 thread"
    assert found["device"].detail == "cpu, 1 thread"
    assert found["gpu_memory"].detail == "not needed: trains on the CPU"
    assert found["gpu_sharing"].detail == "not needed: trains on the CPU"


@pytest.mark.usefixtures("no_gpu")
def test_a_requested_gpu_that_does_not_exist_is_reported(checks):
    found = checks(device="cuda")
    assert failure(found["device"]) == (
        True,
        "no device cuda: torch sees 0 GPUs",
        "use cpu",
    )
    assert found["cuda"].ok
    assert not_ok(found) - ITS_OWN == {"device", "amp"}


def test_an_unknown_device_is_reported(checks):
    assert failure(checks(device="gpu")["device"]) == (
        True,
        "no device named 'gpu'",
        "choose auto, cpu, cuda or cuda:0",
    )


@pytest.mark.usefixtures("driver")
def test_a_driver_without_a_torch_for_it_is_a_warning(checks, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(machine_checks, "torch_version", lambda: "2.13.0+cpu")
    assert failure(checks(device="auto")["cuda"]) == (
        False,
        "there is an NVIDIA driver, but torch 2.13.0+cpu is built for the CPU only",
        "install a build with CUDA: pip install --force-reinstall torch==2.13.0",
    )


@pytest.mark.filterwarnings("ignore:The NVIDIA driver")
@pytest.mark.usefixtures("driver")
def test_a_driver_that_is_too_old_is_reported_in_torchs_words(checks, monkeypatch):
    def warn():
        warnings.warn("The NVIDIA driver is too old (found 11040).\nUpdate", stacklevel=1)
        return False

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", warn)
    blocking, detail, remedy = failure(checks(device="auto")["cuda"])
    assert not blocking
    assert detail == (
        "there is an NVIDIA driver, but torch for CUDA 12.8 finds no GPU: "
        "The NVIDIA driver is too old (found 11040)."
    )
    assert remedy.startswith("update the driver, or install a build of torch for it: ")


@pytest.mark.usefixtures("driver")
def test_hidden_gpus_are_reported(checks, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert failure(checks(device="auto")["cuda"]) == (
        False,
        "there is an NVIDIA driver, but CUDA_VISIBLE_DEVICES='' hides all GPUs",
        "unset it",
    )


def test_a_gpu_is_shown_with_its_compute_capability(checks, gpu):
    found = checks(device="auto")
    assert found["cuda"].detail == "1 GPU, torch for CUDA 12.8"
    assert found["device"].detail == "cuda:0, Tesla T4, compute capability 7.5"
    assert found["gpu_memory"].detail == "14.0 of 15.0 GiB are free"


def test_mps_that_is_off_is_no_fault(checks, gpu, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    found = checks(device="auto")["gpu_sharing"]
    assert found.ok
    assert found.detail.startswith("MPS is off, so processes take turns on a GPU")


def test_little_free_memory_is_a_warning(checks, gpu):
    gpu.free = 1.5 * 2**30
    assert failure(checks(device="auto")["gpu_memory"]) == (
        False,
        "1.5 of 15.0 GiB are free",
        "end other programs on the GPU (nvidia-smi lists them), or use another "
        "with --device cuda:N",
    )


@pytest.mark.parametrize(
    ("amp", "detail"),
    [
        (
            "bf16",
            "bf16, which this device supports: loss 1.0200 after 16 training steps, "
            "1.0000 in float32",
        ),
        (
            "fp16",
            "fp16 (bf16 needs a GPU of compute capability 8.0): loss 1.0200 after "
            "16 training steps, 1.0000 in float32",
        ),
        (
            "off",
            "float32 (this processor would have to emulate bf16): loss 1.0200 after 16 training "
            "steps",
        ),
    ],
)
def test_the_precision_is_shown_with_its_training_loss(checks, monkeypatch, amp, detail):
    trained = replace(TRAINED, amp=amp, loss=1.02)
    monkeypatch.setattr(machine_checks, "self_test", lambda device: trained)
    assert checks()["amp"].detail == detail


def test_a_precision_that_fails_its_self_test_is_reported(checks, monkeypatch):
    trained = replace(TRAINED, amp="bf16", loss=float("nan"))
    monkeypatch.setattr(machine_checks, "self_test", lambda device: trained)
    blocking, detail, remedy = failure(checks()["amp"])
    assert blocking
    assert detail.startswith("bf16, which this device supports: loss nan after 16 training ")
    assert remedy == "write amp: off in the study's base, or use --device cpu"


# Threads.


@pytest.fixture
def cores(monkeypatch, tmp_path):
    """Sets a machine's cores and its control group's quota."""

    def cores(available, quota):
        monkeypatch.setattr(
            psutil.Process, "cpu_affinity", lambda self: list(range(available)), raising=False
        )
        file = tmp_path / "cpu.max"
        file.write_text(quota)
        monkeypatch.setattr(machine_checks, "CPU_QUOTA", file)

    return cores


@pytest.mark.parametrize(
    ("available", "quota", "expected"),
    [(8, "max 100000", 8), (8, "250000 100000", 3), (2, "800000 100000", 2)],
)
def test_a_containers_quota_bounds_its_cores(cores, available, quota, expected):
    cores(available, quota)
    assert machine_checks.cores_available() == expected


def test_without_a_control_group_the_affinity_counts(cores, monkeypatch):
    cores(4, "max 100000")
    monkeypatch.setattr(machine_checks, "CPU_QUOTA", files.Path("/none"))
    assert machine_checks.cores_available() == 4


def test_more_threads_than_cores_are_a_warning(checks, cores, monkeypatch):
    cores(8, "200000 100000")
    monkeypatch.setattr(machine_checks, "n_threads", lambda: 8)
    assert failure(checks()["threads"]) == (
        False,
        "8 threads on 2 cores, so they wait for each other",
        "set OMP_NUM_THREADS=2",
    )
