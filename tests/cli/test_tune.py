"""`weitiao tune`: flags to recipe, events to the screen, interruption."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from weitiao.core.errors import DataError

from .conftest import Started, Weitiao, error_of


def test_flags_become_the_recipe(weitiao: Weitiao, pipeline: Started) -> None:
    code, _, _ = weitiao(
        "tune", "train.csv", "more.csv", "--validation", "dev.csv", "--test", "test.csv", "--model", "e5-small",
        "--task", "classify", "--method", "lora", "--columns", "text=comment,label=stars", "--set", "tune.steps=500",
        "--set", "clean.html=true", "--time", "20m", "--seed", "7", "--device", "cpu", "--hub", "modelscope",
        "--format", "csv", "--encoding", "gbk")
    assert code == 0
    recipe = pipeline.recipes[0]
    assert recipe.data.train == ("train.csv", "more.csv")
    assert recipe.data.validation == ("dev.csv",) and recipe.data.test == ("test.csv",)
    assert recipe.data.columns == {"text": "comment", "label": "stars"}
    assert recipe.data.format == "csv" and recipe.data.encoding == "gbk"
    assert recipe.model.name == "e5-small" and recipe.model.hub == "modelscope"
    assert recipe.task["name"] == "classify" and recipe.method["name"] == "lora"
    assert recipe.tune.steps == 500 and recipe.tune.time == "20m" and recipe.tune.device == "cpu"
    assert recipe.clean.html and recipe.seed == 7


def test_languages_name_the_task_and_become_its_options(weitiao: Weitiao, pipeline: Started) -> None:
    weitiao("tune", "pairs.tsv", "--source", "en", "--target", "zh", "--set", "task.num_beams=4")
    got = pipeline.recipes[0].task
    assert (got["name"], got["source"], got["target"]) == ("translate", "en", "zh")
    Path("r.toml").write_text('[task]\nname="translate"\nsource="de"\nlabel_smoothing=0.2\n', "utf-8")
    weitiao("tune", "pairs.tsv", "--recipe", "r.toml", "--target", "zh")
    got = pipeline.recipes[1].task
    assert (got["source"], got["target"], got["label_smoothing"]) == ("de", "zh", 0.2)
    code, _, err = weitiao("tune", "--resume", "runs/a", "--source", "en")
    assert code == 2 and "takes no settings" in err.replace("takes no data and no settings", "takes no settings")


def test_flags_override_the_file_and_keep_the_rest(weitiao: Weitiao, pipeline: Started) -> None:
    Path("r.toml").write_text('[task]\nname="classify"\nlabel_smoothing=0.1\n[tune]\nepochs=2\nclip=0.5\n'
                              '[data]\ntrain=["a.csv"]\nencoding="gbk"\n[data.columns]\ntext="评论"\n', "utf-8")
    weitiao("tune", "--recipe", "r.toml", "--task", "classify", "--set", "tune.epochs=3", "--columns", "label=星级")
    recipe = pipeline.recipes[0]
    assert recipe.task["label_smoothing"] == 0.1 and recipe.tune.clip == 0.5 and recipe.tune.epochs == 3
    assert recipe.data.train == ("a.csv",) and recipe.data.encoding == "gbk"
    assert recipe.data.columns == {"text": "评论", "label": "星级"}
    weitiao("tune", "--recipe", "r.toml", "--task", "regress")
    assert pipeline.recipes[1].task["name"] == "regress" and "label_smoothing" not in pipeline.recipes[1].task


def test_the_screen_has_its_six_parts_in_order(weitiao: Weitiao, pipeline: Started) -> None:
    code, out, err = weitiao("tune", "my reviews.csv", "--out", "runs/my run")
    assert code == 0 and err == "" and "\x1b" not in out
    order = ["task classify: 2 labels", "3 of 300 rows rejected", "base model e5-small", "accuracy 0.8000",
             "best so far", "step 10/10", "fine-tuning beats TF-IDF", "runs/my run", "predict", "report.html", "evaluate"]
    places = [out.index(x) for x in order]
    assert places == sorted(places)
    commands = [shlex.split(line) for line in out.splitlines()[-3:]]
    assert commands[0] == ["weitiao", "predict", "runs/my run", "my reviews.csv", "-o", "my reviews-predictions.csv"]
    assert commands[1][-1] == "runs/my run/report.html"
    assert commands[2][:3] == ["weitiao", "evaluate", "runs/my run"]


def test_processes_are_one_or_as_many_as_asked_for(weitiao: Weitiao, pipeline: Started) -> None:
    assert weitiao("tune", "reviews.csv")[0] == weitiao("tune", "reviews.csv", "--nproc", "2")[0] == 0
    assert weitiao("tune", "--resume", "runs/reviews-1", "--nproc", "3")[0] == 0
    assert pipeline.processes == [1, 2, 3] and weitiao("tune", "reviews.csv", "--nproc", "0")[0] == 2


def test_quiet_leaves_the_verdict_and_the_folder(weitiao: Weitiao, pipeline: Started) -> None:
    _, out, _ = weitiao("tune", "reviews.csv", "--quiet")
    assert out.splitlines() == ["fine-tuning beats TF-IDF", "runs/reviews-1"]


def test_json_is_one_object_with_folder_scores_and_verdict(weitiao: Weitiao, pipeline: Started) -> None:
    _, out, err = weitiao("tune", "reviews.csv", "--json")
    got = json.loads(out)
    assert err == "" and got["folder"] == "runs/reviews-1" and got["verdict"] == "fine-tuning beats TF-IDF"
    assert got["scores"]["metrics"][0]["value"] == 0.9


def test_it_speaks_chinese(weitiao: Weitiao, pipeline: Started) -> None:
    _, out, _ = weitiao("tune", "reviews.csv", "--lang", "zh")
    for word in ("理解", "数据", "方案", "正在微调", "目前最佳", "结论", "下一步"):
        assert word in out


def test_ctrl_c_says_how_to_go_on(weitiao: Weitiao, pipeline: Started) -> None:
    pipeline.fails_with = KeyboardInterrupt()
    code, out, _ = weitiao("tune", "reviews.csv")
    assert code == 130 and "weitiao tune --resume runs/reviews-1" in out
    code, out, _ = weitiao("tune", "reviews.csv", "--json")
    assert code == 130 and json.loads(out) == {"interrupted": True, "folder": "runs/reviews-1"}
    pipeline.fails_at = "prepare"
    code, out, _ = weitiao("tune", "reviews.csv")
    assert code == 130 and "nothing was kept" in out


def test_resume_takes_nothing_else(weitiao: Weitiao, pipeline: Started) -> None:
    assert weitiao("tune", "--resume", "runs/a", "--allow-inexact")[0] == 0
    assert pipeline.resumed == [(Path("runs/a"), True)]
    for more in (["x.csv"], ["--set", "tune.epochs=1"], ["--seed", "0"], ["--out", "b"], ["--time", "1m"]):
        code, out, _ = weitiao("tune", "--resume", "runs/a", *more, "--json")
        assert code == 2 and error_of(out)["code"] == "cli.resume_takes_no_settings"


def test_restarts_need_ranks_to_lose_and_a_run_to_find_again(weitiao: Weitiao, pipeline: Started,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    assert weitiao("tune", "reviews.csv", "--nproc", "2", "--max-restarts", "3")[0] == 0
    assert weitiao("tune", "--resume", "runs/a", "--nproc", "2", "--max-restarts", "1")[0] == 0
    assert pipeline.restarts == [3, 1]
    code, out, _ = weitiao("tune", "reviews.csv", "--max-restarts", "1", "--json")
    assert code == 2 and error_of(out)["code"] == "cli.restarts_alone"
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    code, out, _ = weitiao("tune", "reviews.csv", "--json")
    assert code == 2 and error_of(out)["code"] == "cli.restarts_need_out"
    assert weitiao("tune", "reviews.csv", "--out", "runs/b")[0] == 0


def test_an_error_keeps_its_class_exit_code(weitiao: Weitiao, pipeline: Started) -> None:
    pipeline.fails_with = DataError("data.one_class", "one class only", fix="add rows", where="a.csv")
    code, out, err = weitiao("tune", "reviews.csv")
    assert code == 3 and err.splitlines() == ["[data.one_class] a.csv: one class only", "  to do: add rows"]
    assert "Traceback" not in out + err


@pytest.mark.parametrize(("args", "code", "error", "says"), [
    (["--set", "tune.learning_rat=1"], 2, "recipe.unknown_key", "learning_rate"),
    (["--task", "clasify"], 2, "plugin.unknown", "classify"),
    (["--method", "lorra"], 2, "plugin.unknown", "lora"),
    (["--hub", "x"], 2, "recipe.bad_value", "modelscope"),
    (["--seed", "-1"], 2, "recipe.bad_value", "greater"),
    (["--recipe", "none.toml"], 2, "recipe.unreadable", "none.toml"),
    (["--recipe", "bad.toml"], 2, "recipe.not_toml", "line 2"),
])
def test_wrong_settings_stop_before_any_work(weitiao: Weitiao, pipeline: Started, args: list[str], code: int,
                                             error: str, says: str) -> None:
    Path("bad.toml").write_text("[tune]\nepochs = \n")
    got, out, _ = weitiao("tune", "reviews.csv", *args, "--json")
    assert got == code and error_of(out)["code"] == error and says in json.dumps(error_of(out))
    assert not pipeline.recipes and not Path("runs").exists()
