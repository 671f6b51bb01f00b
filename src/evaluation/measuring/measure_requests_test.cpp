#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "evaluation/testing/tiny_record.h"
#include "io/error.h"

namespace emend {
namespace {

// Editors that rewrite the request or the logits, in all rows or in some.
class MeasureRequestsTest : public TinyVlmTest {
 protected:
  // Puts demonstrations before the text, as IKE does.
  static Intervention demonstrations(const std::string& text) {
    auto change = Intervention::request([text](Batch batch) {
      auto tokens = vlm().processor.target(text);
      for (auto& row : batch.rows) {
        auto begin = std::find_if(row.ids.begin(), row.ids.end(), [](int64_t id) {
          return id != kImageToken && id != 2;  // after image tokens and BOS
        });
        row.ids.insert(begin, tokens.begin(), tokens.end());
      }
      return batch;
    });
    return change;
  }
  static std::vector<bool> only(const Baseline& baseline, const std::set<size_t>& probes) {
    std::vector<bool> rows(baseline.queries.size(), false);
    for (auto i : probes) rows[i] = true;
    return rows;
  }
};

TEST_F(MeasureRequestsTest, LongerRequestsCompareTheLastPositions) {
  auto protocol = make_protocol("easyedit-editor");
  auto baseline = measure_baseline(vlm(), record(), protocol);
  Interventions edit = {demonstrations("New Fact: what is this? cat\n")};
  for (const auto& probe : measure(vlm(), baseline, edit).probes) {
    auto old_row = alone(probe, {}), new_row = alone(probe, edit);
    auto length = old_row.logits.size(0), longer = new_row.logits.size(0);
    ASSERT_EQ(longer, length + static_cast<int64_t>(
                                   vlm().processor.target("New Fact: what is this? cat\n").size()));
    auto last = new_row.logits.narrow(0, longer - length, length).unsqueeze(0);
    double expected;
    if (is_locality(probe.query.group)) {
      expected =
          locality(old_row.logits.unsqueeze(0), last, at::ones({1, length}, at::kBool),
                   probe.query.group == Group::text_locality ? 1 : 10, ranking_of(protocol, vlm()));
    } else {
      auto labels = at::full({1, length}, kIgnored, at::kLong);
      auto answer = vlm().processor.target(probe.query.target);
      auto size = static_cast<int64_t>(answer.size());
      labels.narrow(1, length - size, size).copy_(at::tensor(answer, at::kLong));
      expected = token_accuracy(last, labels);
    }
    EXPECT_NEAR(probe.score, expected, 0.02) << probe.query.prompt;
  }
}

TEST_F(MeasureRequestsTest, ShorterRequestsCompareTheLastPositions) {
  auto baseline = measure_baseline(vlm(), record(), make_protocol("easyedit-editor"));
  auto cut = Intervention::request([](Batch batch) {
    for (auto& row : batch.rows) {
      auto begin = std::find(row.ids.begin(), row.ids.end(), 2);
      row.ids.erase(begin, begin + 2);
    }
    return batch;
  });
  for (const auto& probe : measure(vlm(), baseline, {cut}).probes) {
    if (!is_locality(probe.query.group)) continue;
    auto old_row = alone(probe, {}), new_row = alone(probe, {cut});
    auto length = new_row.logits.size(0);
    ASSERT_EQ(old_row.logits.size(0), length + 2);
    auto last = old_row.logits.narrow(0, 2, length).unsqueeze(0);
    auto k = probe.query.group == Group::text_locality ? 1 : 10;
    EXPECT_NEAR(probe.score,
                locality(last, new_row.logits.unsqueeze(0), at::ones({1, length}, at::kBool), k,
                         ranking_of(baseline.protocol, vlm())),
                0.02);
  }
}

TEST_F(MeasureRequestsTest, RefusesUnequalLengthsUnderEqualLengthProtocols) {
  auto baseline = measure_baseline(vlm(), record());
  try {
    measure(vlm(), baseline, {demonstrations("New Fact: ")});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("mmedit-2024"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("easyedit-editor"));
  }
  // The exception for IKE compares the last positions.
  baseline = measure_baseline(vlm(), record(), for_editor({}, "ike"));
  EXPECT_NO_THROW(measure(vlm(), baseline, {demonstrations("New Fact: ")}));
}

TEST_F(MeasureRequestsTest, UnchangedRequestKeepsEveryBit) {
  auto nothing = Intervention::request([](const Batch& batch) { return batch; });
  for (const auto& name : protocol_names()) {
    auto baseline = measure_baseline(vlm(), record(), make_protocol(name));
    auto measured = measure(vlm(), baseline, {nothing});
    expect_same(measured, measure(vlm(), baseline, {}));
    EXPECT_EQ(measured.scores[Group::image_locality].score, 1.0);
  }
}

TEST_F(MeasureRequestsTest, AnswerMustStayAtTheEnd) {
  auto baseline = measure_baseline(vlm(), record(), make_protocol("easyedit-editor"));
  auto change = Intervention::request([](Batch batch) {
    for (auto& row : batch.rows) row.ids.back() = 5;
    return batch;
  });
  EXPECT_THROW(measure(vlm(), baseline, {change}), Error);
}

TEST_F(MeasureRequestsTest, ScopedRequestsChangeOnlyTheirRows) {
  // The protocol compares equal lengths, so locality requests must not be rewritten.
  auto baseline = measure_baseline(vlm(), record());
  auto change = demonstrations("New Fact: what is this? cat\n");
  change.rows = only(baseline, {0, 1});
  auto measured = measure(vlm(), baseline, {change});
  auto base = measure(vlm(), baseline, {});
  for (size_t i = 0; i < measured.probes.size(); ++i) {
    const auto& probe = measured.probes[i];
    // Longer rows in the batch may swap a near tie among the top 10.
    EXPECT_NEAR(probe.score, base.probes[i].score, i < 2 ? 1 : 0.02) << i;
    if (i >= 2) {
      EXPECT_EQ(probe.after, base.probes[i].after) << i;
    }
  }
  EXPECT_NE(measured.probes[0].after, base.probes[0].after);
  // Text rows are a separate batch, which is unchanged.
  EXPECT_EQ(measured.scores[Group::text_locality].score, 1.0);
}

TEST_F(MeasureRequestsTest, LogitsAreMixedOnlyInTheScope) {
  for (const auto& name : protocol_names()) {
    auto baseline = measure_baseline(vlm(), record(), make_protocol(name));
    auto base = measure(vlm(), baseline, {});
    auto change = Intervention::logits([](const at::Tensor& logits) { return -logits; });
    for (size_t changed = 0; changed < baseline.queries.size(); ++changed) {
      change.rows = only(baseline, {changed});
      auto measured = measure(vlm(), baseline, {change});
      for (size_t i = 0; i < measured.probes.size(); ++i) {
        const auto& probe = measured.probes[i];
        if (i != changed) {
          EXPECT_EQ(probe.score, base.probes[i].score) << name << i;
          EXPECT_EQ(probe.after, base.probes[i].after) << name << i;
        } else {
          EXPECT_NE(probe.after, base.probes[i].after) << name << i;
          if (is_locality(probe.query.group)) {
            EXPECT_LT(probe.score, 0.1) << name << i;
          }
        }
      }
    }
    // Without a scope, all rows are mixed. A mix that changes nothing changes no score.
    change.rows = {};
    EXPECT_LT(measure(vlm(), baseline, {change}).scores[Group::image_locality].score, 0.1);
    change.transform = [](const at::Tensor& logits) { return logits * 2; };
    if (baseline.protocol.ranked_on == Ranking::On::logits) {
      EXPECT_EQ(measure(vlm(), baseline, {change}).scores[Group::image_locality].score, 1);
    }
  }
}

TEST_F(MeasureRequestsTest, ScopeMustCoverEveryProbe) {
  auto baseline = measure_baseline(vlm(), record());
  auto change =
      Intervention::logits([](const at::Tensor& logits) { return logits; }).on_rows({true, false});
  EXPECT_THROW(measure(vlm(), baseline, {change}), Error);
}

}  // namespace
}  // namespace emend
