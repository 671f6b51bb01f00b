#include "editing/statistics/collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "editing/statistics/collect_state.h"
#include "editing/statistics/moments_file.h"
#include "editing/targets/ffn_outputs.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/runtime.h"
#include "io/testing.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Questions with pictures and text of different lengths.
std::vector<TargetQuery> questions(int64_t i, bool pictures) {
  std::vector<TargetQuery> queries = {{{}, std::string(static_cast<size_t>(3 + i), 'q'), " me"}};
  if (!pictures) return queries;
  const Picture picture{"", testing::noise_image(static_cast<uint64_t>(i), 32)};
  queries.push_back({picture, "What is this?", " a cat"});
  queries.push_back({picture, "Why?", " because"});
  return queries;
}

// The sum of the moments of a site over rows that run one by one, in float64.
struct ExpectedMoments {
  at::Tensor text, image, first;
  int64_t text_count = 0, image_count = 0, first_count = 0;
};

class CollectMomentsTest : public ::testing::TestWithParam<testing::TinyModel> {
 protected:
  void SetUp() override {
    GetParam().write(folder_ / "model", 0);
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_ / "model"));
  }
  static bool sees() { return GetParam().sees; }
  // Pictures in tiles take seconds.
  static bool is_tiled() { return std::string(GetParam().name) == "smolvlm"; }
  CollectMomentsJob job(const std::string& output, std::vector<std::string> sites = {}) const {
    CollectMomentsJob job;
    if (sites.empty()) {
      sites = {"language"};
      if (sees()) sites.insert(sites.end(), {"connector", "projector", "vision_tower"});
    }
    job.sites = ffn_outputs_or_sites(*vlm_->model, sites);
    job.samples.source = {{{"suite", "questions"}}, 9, 512, 0};
    job.samples.queries = [](int64_t i) { return questions(i, sees()); };
    job.output = folder_ / output;
    return job;
  }

  ExpectedMoments expected(const Site& site) const {
    at::NoGradGuard no_grad;
    const auto& model = *vlm_->model;
    const bool language = model.stages()[site.stage].module == Module::language;
    const auto zeros = at::zeros({site.in, site.in}, at::kDouble);
    ExpectedMoments moments{zeros.clone(), zeros.clone(), at::zeros({site.in}, at::kDouble)};
    const auto add = [](at::Tensor& sum, int64_t& count, const at::Tensor& x) {
      sum += at::outer(x, x);
      ++count;
    };
    for (int64_t i = 0; i < 9; ++i) {
      std::set<const Image*> seen;
      for (const auto& query : questions(i, sees())) {
        const auto forced = force(*vlm_, {query}, false);
        if (!language && !seen.insert(query.image.drawn.get()).second) continue;
        if (!language && !query.image.present()) continue;
        std::vector<at::Tensor> inputs;
        auto pass = model.collate(forced.batch);
        model.run(pass, {Intervention::input(site.name, [&](const at::Tensor& x) {
                    inputs.push_back(x.reshape({-1, x.size(-1)}).to(at::kDouble));
                    return x;
                  })});
        const auto x = at::cat(inputs);
        const auto& ids = forced.batch.rows[0].ids;
        for (int64_t t = 0; t < x.size(0); ++t) {
          if (!language || (t > 0 && ids[static_cast<size_t>(t)] == kImageToken))
            add(moments.image, moments.image_count, x[t]);
          else if (t > 0)
            add(moments.text, moments.text_count, x[t]);
          else
            moments.first += x[t], ++moments.first_count;
        }
      }
    }
    return moments;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
};

double difference(const at::Tensor& mean, const at::Tensor& sum, int64_t count) {
  const auto exact = sum / static_cast<double>(count);
  return ((mean.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

TEST_P(CollectMomentsTest, AgreesWithRowsRunOneByOne) {
  const auto job = this->job("statistics.safetensors");
  const auto facts = collect_moments(*vlm_, job);
  EXPECT_EQ(facts.at("sites").size(), job.sites.size());
  EXPECT_EQ(facts.at("passes"), 1);
  EXPECT_FALSE(facts.at("interrupted").get<bool>());
  const auto file = MomentsFile::open(job.output);
  EXPECT_EQ(file.facts().at("source").at("samples"), 9);
  for (const auto& site : job.sites) {
    SCOPED_TRACE(site.name);
    const auto moments = file.read(*vlm_, site.name);
    const auto exact = expected(site);
    EXPECT_EQ(moments.text.count, exact.text_count);
    EXPECT_EQ(moments.image.count, exact.image_count);
    EXPECT_EQ(moments.first_count, exact.first_count);
    EXPECT_EQ(moments.text.count > 0, vlm_->model->stages()[site.stage].module == Module::language);
    EXPECT_EQ(moments.image.count > 0, sees());
    if (exact.text_count > 0) {
      EXPECT_LT(difference(moments.text.mean, exact.text, exact.text_count), 1e-5);
      EXPECT_LT(difference(moments.first_mean, exact.first, exact.first_count), 1e-5);
      EXPECT_EQ(moments.first_count, sees() ? 27 : 9);
    }
    if (exact.image_count > 0) {
      EXPECT_LT(difference(moments.image.mean, exact.image, exact.image_count), 1e-5);
    }
  }
}

TEST_P(CollectMomentsTest, GroupsOfSitesAndTheStoreGiveTheSameNumbers) {
  if (is_tiled()) return;
  collect_moments(*vlm_, job("one.safetensors"));
  auto job = this->job("many.safetensors");
  job.memory_bytes = 1;
  ActivationStore store({});
  job.store = &store;
  EXPECT_EQ(collect_moments(*vlm_, job).at("passes"), job.sites.size());
  EXPECT_EQ(store.counts().memory_hits > 0, sees());
  EXPECT_TRUE(read_file(folder_ / "one.safetensors") == read_file(folder_ / "many.safetensors"));
  EXPECT_EQ(folder_.listing(), "many.safetensors model one.safetensors ");
}

// Interrupts at several samples, in several groups.
TEST_P(CollectMomentsTest, ContinuesAfterAnInterruptWithTheSameBytes) {
  if (is_tiled()) return;
  collect_moments(*vlm_, job("whole.safetensors"));
  auto job = this->job("stopped.safetensors");
  job.memory_bytes = 300000;  // several groups
  job.seconds_between_states = 0;
  int interrupts = 0;
  for (bool done = false; !done; ++interrupts) {
    ASSERT_LT(interrupts, 50);
    int64_t calls = 0;
    job.samples.queries = [&](int64_t i) {
      if (++calls == 4) std::raise(SIGINT);
      return questions(i, sees());
    };
    done = !collect_moments(*vlm_, job).at("interrupted").get<bool>();
    EXPECT_EQ(std::filesystem::exists(job.output), done);
  }
  EXPECT_GT(interrupts, 1);
  EXPECT_TRUE(read_file(folder_ / "whole.safetensors") == read_file(job.output));
  EXPECT_EQ(folder_.listing(), "model stopped.safetensors whole.safetensors ");
}

TEST_P(CollectMomentsTest, RefusesTheStateOfAnotherRun) {
  auto job = this->job("statistics.safetensors", {"language"});
  job.samples.queries = [&](int64_t i) {
    if (i == 1) std::raise(SIGINT);
    return questions(i, false);
  };
  ASSERT_TRUE(collect_moments(*vlm_, job).at("interrupted").get<bool>());
  auto other = job;
  other.samples.source.seed = 7;
  EXPECT_THAT(error_of([&] { collect_moments(*vlm_, other); }),
              AllOf(HasSubstr("another model, other sites"), HasSubstr("--restart")));
  auto bytes = read_file(job.output + ".state");
  bytes[bytes.size() - 1] ^= 1;
  write_file(job.output + ".state", bytes);
  EXPECT_THAT(error_of([&] { collect_moments(*vlm_, job); }), HasSubstr("checksum"));
  discard_moments(job.output);
  EXPECT_EQ(folder_.listing(), "model ");
}

TEST_P(CollectMomentsTest, CutsRowsAndRefusesToCutPictures) {
  auto job = this->job("statistics.safetensors", {"language"});
  job.samples.source.max_length = 3;
  job.samples.queries = [](int64_t i) { return questions(i, false); };
  collect_moments(*vlm_, job);
  const auto moments = MomentsFile::open(job.output).read(*vlm_, job.sites[0].name);
  EXPECT_EQ(moments.first_count, 9);
  EXPECT_EQ(moments.text.count, 18);
  if (!sees()) return;
  job.output = folder_ / "pictures.safetensors";
  job.samples.queries = [](int64_t i) { return questions(i, true); };
  EXPECT_THAT(error_of([&] { collect_moments(*vlm_, job); }), HasSubstr("--max-length"));
}

TEST_P(CollectMomentsTest, RefusesSitesThatNoSampleReaches) {
  if (!sees()) return;
  auto job = this->job("statistics.safetensors", {"projector"});
  job.samples.queries = [](int64_t i) { return questions(i, false); };
  EXPECT_THAT(error_of([&] { collect_moments(*vlm_, job); }),
              AllOf(HasSubstr("no position of the samples reaches"), HasSubstr("--suite")));
  EXPECT_EQ(folder_.listing(), "model ");
}

INSTANTIATE_TEST_SUITE_P(Folders, CollectMomentsTest, ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TextSamplesTest, AreTheLinesOfAFile) {
  TemporaryFolder folder;
  const auto path = folder.file("lines.txt");
  write_file(path, "\xef\xbb\xbfone\r\n\n  \ntwo words\nthree");  // with a byte order mark
  const auto all = text_samples(path, 0, 0);
  ASSERT_EQ(all.source.samples, 3);
  EXPECT_EQ(all.source.data.at("text").at("lines"), 3);
  EXPECT_EQ(all.queries(0).at(0).prompt, "one");
  EXPECT_EQ(all.queries(1).at(0).prompt, "two words");
  EXPECT_EQ(all.queries(2).at(0).prompt, "three");
  EXPECT_EQ(text_samples(path, 2, 1).source.samples, 2);
  EXPECT_EQ(text_samples(path, 9, 1).source.samples, 3);
  write_file(path, "\n \n");
  EXPECT_THAT(error_of([&] { text_samples(path, 0, 0); }), HasSubstr("has no text"));
  write_file(path, "fine\n\xff\n");
  EXPECT_THAT(error_of([&] { text_samples(path, 0, 0); }), HasSubstr("byte 5 is invalid"));
}

TEST(TextSamplesTest, AreChosenBySeed) {
  EXPECT_EQ(choose_samples(5, 0, 3), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(choose_samples(1000, 20, 3), choose_samples(1000, 20, 3));
  EXPECT_NE(choose_samples(1000, 20, 3), choose_samples(1000, 20, 4));
  const auto chosen = choose_samples(1000, 20, 3);
  EXPECT_EQ(std::set<int64_t>(chosen.begin(), chosen.end()).size(), 20u);
  EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
}

}  // namespace
}  // namespace emend
