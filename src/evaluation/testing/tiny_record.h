#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "editing/editor.h"
#include "evaluation/measuring/measure.h"
#include "tests/tiny_vlm.h"

// For tests only: a tiny random model, and a record with probes of every kind.
namespace emend {

class TinyVlmTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  static const Vlm& vlm() { return *vlm_; }

  static Record record() {
    Record record;
    record.image = {"", testing::noise_image(1)};
    record.prompt = "What is this?";
    record.target = "cat";
    auto add = [&](Group group, Picture image, std::string text, std::string answer) {
      record.probes.push_back({group, std::move(image), std::move(text), std::move(answer)});
    };
    add(Group::text_generality, record.image, "Tell what this is?", "cat");
    add(Group::image_generality, {"", testing::noise_image(2)}, record.prompt, "cat");
    add(Group::text_locality, {}, "Where is Rome?", "Italy");
    add(Group::text_locality, {}, "Who?", "nobody at all");
    add(Group::image_locality, {"", testing::noise_image(3)}, "What color?", "green");
    add(Group::portability, record.image, "Does it bark?", "no");
    return record;
  }
  static EditRequest request() {
    Protocol protocol;
    return {record().image, edit_prompt(protocol, record()),
            continuation(protocol, record().target)};
  }

  // Adds noise to the weights of some sites.
  static Interventions noise(const std::string& sites, uint64_t seed = 9, double loudness = 2) {
    at::manual_seed(seed);
    Interventions all;
    for (const auto& site : vlm().model->find_sites(sites)) {
      auto change =
          Intervention::weight(site.name, {at::randn({site.out, site.in}) * loudness, {}, {}});
      all.push_back(std::move(change));
    }
    return all;
  }

  // The result of a probe in a separate pass: prompt and answer in one row, nothing shared.
  static ForcedRow alone(const ProbeResult& probe, const Interventions& interventions) {
    at::NoGradGuard no_grad;
    const auto& query = probe.query;
    auto image = query.image.present() ? std::optional(query.image.load()) : std::nullopt;
    return teacher_force(vlm(), {{image, query.prompt}}, {query.target}, interventions)[0];
  }

  // Expects two measurements to be equal.
  static void expect_same(const RecordResult& a, const RecordResult& b) {
    ASSERT_EQ(a.probes.size(), b.probes.size());
    for (size_t i = 0; i < a.probes.size(); ++i) {
      EXPECT_EQ(a.probes[i].before, b.probes[i].before);
      EXPECT_EQ(a.probes[i].after, b.probes[i].after);
      EXPECT_EQ(a.probes[i].score, b.probes[i].score) << i;
    }
  }

 private:
  inline static std::unique_ptr<TemporaryFolder> folder_;
  inline static std::unique_ptr<Vlm> vlm_;
};

}  // namespace emend
