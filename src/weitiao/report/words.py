"""How settings, sizes and times of the artefacts read to a person. Metrics: `weitiao.metrics.naming`.

>>> setting("batch_size"), duration(192)
('batch size', '3.2 min')
"""

from __future__ import annotations

from weitiao.core.i18n import t


def setting(name: str) -> str:
    """A recipe key as a person says it."""
    names = {
        "epochs": ("epochs", "轮数"), "steps": ("steps", "步数"), "batch_size": ("batch size", "批大小"),
        "micro_batch_size": ("rows of a forward pass", "每次前向的行数"),
        "learning_rate": ("learning rate", "学习率"),
        "head_learning_rate": ("learning rate of the head", "分类头学习率"),
        "embeddings": ("word embeddings", "词嵌入"), "precision": ("precision", "精度"), "device": ("device", "设备"),
        "max_length": ("tokens of a text", "最长词元数"), "metric": ("metric of the best step", "选择最佳步的指标"),
    }
    return t(*names[name]) if name in names else name


def parameters(count: int) -> str:
    """The size of a model."""
    return t("{m:.0f} million parameters", "{w:,.0f} 万参数", m=count / 1e6, w=count / 1e4)


def duration(seconds: float) -> str:
    """`48 s`, `3.2 min`, `1.4 h`."""
    if seconds < 90:
        return t("{s:.0f} s", "{s:.0f} 秒", s=seconds)
    if seconds < 5400:
        return t("{m:.1f} min", "{m:.1f} 分钟", m=seconds / 60)
    return t("{h:.1f} h", "{h:.1f} 小时", h=seconds / 3600)
