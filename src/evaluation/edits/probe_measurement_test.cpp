#include "evaluation/edits/probe_measurement.h"

#include <gmock/gmock.h>

#include <memory>

#include "evaluation/measuring/averages.h"
#include "evaluation/testing/tiny_record.h"

namespace emend {
namespace {

class ProbeMeasurementTest : public TinyVlmTest {
 protected:
  static EditJob::Edit edit() {
    EditJob::Edit edit;
    edit.question.image = record().image;
    edit.question.prompt = record().prompt;
    edit.question.target = record().target;
    edit.protocol.max_new_tokens = 3;
    return edit;
  }
  static std::vector<Probe> probes(int count) {
    std::vector<Probe> all;
    all.push_back({Group::reliability, record().image, record().prompt, record().target});
    for (int i = 1; i < count; ++i) {
      const auto text = "Question " + std::to_string(i) + "?";
      if (i % 2)
        all.push_back({Group::text_locality, {}, text, "yes"});
      else
        all.push_back({Group::image_locality,
                       {"", testing::noise_image(static_cast<uint64_t>(i))},
                       text,
                       ""});
    }
    return all;
  }
};

TEST_F(ProbeMeasurementTest, PartsGiveTheResultsOfTheWhole) {
  const auto edit = this->edit();
  const auto changes = noise("*.layers.2.fc2");
  std::vector<size_t> done, sides;
  ProbeMeasurement parts(vlm(), edit, {}, changes,
                         {[&](size_t count, bool all) {
                            sides = {count, all};
                          },
                          {},
                          [&](size_t count) { done.push_back(count); }});
  for (auto& probe : probes(150)) parts.add(std::move(probe));
  const auto measured = parts.finish();
  EXPECT_THAT(done, ::testing::ElementsAre(64, 128));
  EXPECT_THAT(sides, ::testing::ElementsAre(64, false));

  auto whole = record();
  whole.probes = probes(150);
  for (auto& probe : whole.probes)  // unknown answers are generated
    if (probe.answer.empty())
      probe.answer =
          generate(vlm(), {{probe.image.load(), probe_prompt(edit.protocol, whole, probe)}}).at(0);
  const auto expected = measure(vlm(), measure_baseline(vlm(), whole, edit.protocol), changes);
  ASSERT_EQ(measured.probes.size(), 150u);  // the edit's question is not repeated in each part
  for (size_t i = 0; i < 150; ++i) {
    const auto &a = measured.probes[i], &b = expected.probes[i];
    EXPECT_EQ(a.query.prompt, b.query.prompt);
    EXPECT_EQ(a.before, b.before) << i;
    EXPECT_EQ(a.after, b.after) << i;
    EXPECT_NEAR(a.score, b.score, 0.2) << i;  // other shapes round differently
    EXPECT_EQ(to_json(a)["image"], to_json(b)["image"]);
  }
  EXPECT_EQ(measured.scores.at(Group::image_locality).probes, 74);
}

TEST_F(ProbeMeasurementTest, KeepsThePicturesOfOnePartOnly) {
  const auto edit = this->edit();
  std::vector<std::weak_ptr<const Image>> pictures;
  ProbeMeasurement parts(vlm(), edit, {}, {}, {});
  long most = 0;
  for (auto& probe : probes(200)) {
    pictures.push_back(probe.image.drawn);
    parts.add(std::move(probe));
    most = std::max(most, std::count_if(pictures.begin(), pictures.end(),
                                        [](const auto& picture) { return !picture.expired(); }));
  }
  EXPECT_LE(most, 64 + 1);
  EXPECT_EQ(parts.finish().probes.size(), 200u);
}

TEST_F(ProbeMeasurementTest, AFewProbesAreOnePart) {
  const auto edit = this->edit();
  std::vector<size_t> sides;
  ProbeMeasurement parts(vlm(), edit, {}, {},
                         {{},
                          [&](size_t count, bool all) {
                            sides = {count, all};
                          },
                          [](size_t) { FAIL(); }});
  for (auto& probe : probes(64)) parts.add(std::move(probe));
  EXPECT_EQ(parts.finish().probes.size(), 64u);
  EXPECT_THAT(sides, ::testing::ElementsAre(64, true));
}

}  // namespace
}  // namespace emend
