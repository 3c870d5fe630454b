"""Load and losses of transformers, by worked examples of others; the table of GB 20052."""

import pytest

from agent.equipment.tables import TRANSFORMERS, transformer_losses_kw
from agent.equipment.transformer import Transformer


def test_a_published_example_of_load_rate_and_efficiency() -> None:
    # 常用电工计算公式 (m.co188.com): 200 kVA, P0 0.4 kW, Pk 2.2 kW, 140 kW at a power factor of 0.8:
    # load rate 87.5 %, efficiency 140 / 142.08 = 98.5 %.
    published = Transformer(capacity_kva=200.0, no_load_kw=0.4, load_kw=2.2)

    assert published.load_rate(140 / 0.8) == pytest.approx(0.875)
    assert published.loss_kw(140 / 0.8) == pytest.approx(2.08, abs=0.005)
    assert 140 / (140 + published.loss_kw(140 / 0.8)) == pytest.approx(0.985, abs=0.0005)


def test_a_published_loss_of_an_energy_audit() -> None:
    # 变压器损耗估算 (xiaomilidoc.com): S13-315 with P0 0.48 kW, Pk 3.65 kW at a load rate of 0.77: 2.64 kW.
    assert Transformer(315.0, 0.48, 3.65).loss_kw(0.77 * 315) == pytest.approx(2.64, abs=0.005)


def test_a_published_loss_at_half_load() -> None:
    # J. Irvine, Electromagnetism, tutorial 10, question 6: iron 2.0 kW, copper 2.5 kW at full load; at half 2.625 kW.
    assert Transformer(300.0, 2.0, 2.5).loss_kw(150.0) == 2.625


def test_the_best_load_by_hand() -> None:
    # sqrt(1.17 / 14.5) = 0.28406; with a load that fluctuates, Kt 1.1: sqrt(1.17 / 15.95) = 0.27084.
    transformer = Transformer(1600.0, 1.17, 14.5)

    assert transformer.best_load_rate(1.0) == pytest.approx(0.28406, abs=1e-5)
    assert transformer.best_load_rate(1.1) == pytest.approx(0.27084, abs=1e-5)


def test_at_the_best_load_least_is_lost_of_what_is_carried() -> None:
    transformer = Transformer(1600.0, 1.17, 14.5)
    best = transformer.best_load_rate(1.0) * 1600

    def lost(apparent_kva: float) -> float:
        return transformer.loss_kw(apparent_kva) / apparent_kva

    assert lost(best) < min(lost(best * 0.98), lost(best * 1.02))


def test_the_table_is_the_one_of_the_norm() -> None:
    # GB 20052-2024, 10 kV, oil-immersed, electrical steel, Dyn11: P0 and Pk of grades 1, 2, 3.
    printed = {
        100: ((0.12, 1.14), (0.135, 1.265), (0.15, 1.58)),
        315: ((0.27, 2.76), (0.305, 3.065), (0.34, 3.83)),
        1600: ((0.94, 10.44), (1.05, 11.6), (1.17, 14.5)),
        2500: ((1.28, 15.27), (1.44, 16.96), (1.6, 21.2)),
    }
    found = {kva: tuple(transformer_losses_kw(kva, grade) for grade in (1, 2, 3)) for kva in printed}

    assert found == printed
    assert transformer_losses_kw(1234.0, 1) is None


def test_better_grades_lose_less_and_larger_ones_more() -> None:
    for kind in (0, 1):
        columns = [[(transformer_losses_kw(kva, grade) or (0, 0))[kind] for kva in TRANSFORMERS] for grade in (1, 2, 3)]
        assert all(column == sorted(column) for column in columns)
        assert all(one < two < three for one, two, three in zip(*columns, strict=True))
