# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the page says about a star, in Markdown.

Before this file stands `stars.py`; after it `page.py`.
"""

from .stars import COVERAGE, DESCRIPTIONS, Look, Neighbor, describe_period

FEW = 20  # observations


def say_star(look: Look) -> str:
    """Its name, its observations, and how well the hidden ones were reconstructed."""
    dropped = f", {look.num_dropped} left out" if look.num_dropped else ""
    what = f"{int(look.hidden.sum())} hidden" if look.hidden.any() else f"{len(look.mjd)} visible"
    bars = "" if look.interval is None else " Bars behind the crosses: 90 % of held-out magnitudes lie within."
    few = "" if len(look.mjd) >= FEW else " ⚠️ Of so few its look-alikes and its place on the map say little."
    return (
        f"### {look.name}\n{len(look.mjd)} observations{dropped}. The root-mean-square error of the reconstruction on the "
        f"{what} ones is **{look.rmse:.3f} mag**.{bars}{few}"
    )


def say_period(look: Look) -> str:
    """Its period with its significance, and which other periods explain as much."""
    if look.period is None:
        return f"**No period.** {look.no_period}"
    period = look.period
    words = describe_period(period)
    others = [one for one in period.alternatives if one.explained > period.explained - 0.02]
    told = f"**{words[:1].upper()}{words[1:]}**; amplitude {period.amplitude:.3g} mag."
    if others:
        told += " Nearly as good: " + ", ".join(f"{one.period:.6g} d ({one.kind})" for one in others) + "."
    if not period.is_significant:
        told += " Magnitudes in random order reach this too: the fold below shows chance."
    return told


def say_classes(look: Look) -> str:
    """Its class, the wider class, and how far to trust them."""
    classes = look.classes
    if classes.remark is not None or classes.label is None:
        return f"### No class\nThe classifier says nothing: {classes.remark}."
    lines = [f"### {classes.label}, {classes.probability:.0%}"]
    if classes.label in DESCRIPTIONS:
        lines.append(f"{DESCRIPTIONS[classes.label][:1].upper()}{DESCRIPTIONS[classes.label][1:]}.")
    if classes.parent is not None:
        lines.append(f"Wider class: **{classes.parent}**, {classes.parent_probability:.0%}.")
    if classes.is_uncertain is not None:
        lines.append("⚠️ **Uncertain**: look at the fold yourself." if classes.is_uncertain else "Not marked as uncertain.")
    if classes.likely:
        lines.append(
            f"Likely classes (the true one is among them for {COVERAGE:.0%} of validation stars): {', '.join(classes.likely)}."
        )
    if classes.label == "NOT_VARIABLE" and look.period is not None and look.period.is_significant:
        lines.append("⚠️ The class and the significant period contradict each other: the fold shows which is right.")
    return "\n\n".join(lines)


def say_neighbor(neighbor: Neighbor) -> str:
    """Its class and distance."""
    return f"**{neighbor.label or neighbor.name}**, distance {neighbor.distance:.1f}"
