#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "suites/suite.h"

namespace emend {
namespace {

// Reads the real annotation files, which are not part of the repository.
class MmeditReal : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"mmedit", "vlkeb"})
      if (!std::filesystem::is_directory(data(folder)))
        GTEST_SKIP() << data(folder) << " is missing";
  }
  static std::string data(const std::string& name) {
    return std::string(EMEND_SHARED_DIR "/data/") + name;
  }
  static SuiteOptions options(const std::string& folder, const std::string& split) {
    SuiteOptions options;
    options.data = data(folder);
    options.split = split;
    return options;
  }
};

struct File {
  const char *suite, *folder, *annotations, *split;
  size_t rows;
};
const File kFiles[] = {{"e-vqa", "mmedit", "vqa/vqa_train.json", "train", 6345},
                       {"e-vqa", "mmedit", "vqa/vqa_eval.json", "eval", 2093},
                       {"e-ic", "mmedit", "caption/caption_train_edit.json", "train", 2849},
                       {"e-ic", "mmedit", "caption/caption_eval_edit.json", "eval", 1000},
                       {"vlkeb", "vlkeb", "train.json", "train", 5000},
                       {"vlkeb", "vlkeb", "eval.json", "eval", 3174},
                       {"vlkeb", "vlkeb", "eval_edit_onehop.json", "one-hop", 1278}};

TEST_F(MmeditReal, ReadsWholeFiles) {
  for (const auto& file : kFiles) {
    auto options = this->options(file.folder, file.split);
    std::string told;
    try {
      open_suite(file.suite, options);
    } catch (const Error& error) {
      told = error.what();
    }
    EXPECT_NE(told.find(" of " + std::to_string(file.rows) + " records"), std::string::npos)
        << "every row is read, none filtered: " << told;

    // The images are not available, so one picture is used for all. The texts must be the same.
    auto rows = read_json(data(file.folder) + "/" + file.annotations);
    for (auto& row : rows) row["image"] = row["image_rephrase"] = row["m_loc"] = "picture.png";
    TemporaryFolder folder;
    std::ofstream(folder.file("picture.png")).flush();
    options.data = folder.file("rows.json");
    std::ofstream(options.data) << rows.dump();
    auto suite = open_suite(file.suite, options);
    EXPECT_EQ(suite->size(), file.rows);
    EXPECT_EQ(suite->metadata().at("filtered"), nlohmann::json::object());
    EXPECT_EQ(suite->metadata().at("missing_images").at("records"), 0);
    size_t probes = file.split == std::string("one-hop") ? 6 : 5;
    for (size_t i = 0; i < suite->size(); ++i) {
      auto record = suite->record(i);
      ASSERT_EQ(record.probes.size(), probes) << record.id;
      ASSERT_EQ(record.probes.back().group,
                probes == 6 ? Group::portability : Group::image_locality);
      ASSERT_TRUE(record.probes.back().image.present());
      ASSERT_EQ(record.prompt, rows[i].at("src"));
      ASSERT_EQ(record.target, rows[i].at("alt"));
      ASSERT_EQ(record.probes[1].text, rows[i].at("rephrase"));
    }
  }
}

TEST_F(MmeditReal, MeasuresRecordsWithPhotos) {
  const struct {
    const char *suite, *split;
    size_t rows, with_photo;
  } kept[] = {{"e-vqa", "train", 6345, 43},
              {"e-vqa", "eval", 2093, 11},
              {"e-ic", "train", 2849, 23},
              {"e-ic", "eval", 1000, 4}};
  size_t all = 0;
  for (const auto& file : kept) {
    auto options = this->options("mmedit", file.split);
    options.missing_images = MissingImages::skip_probes;
    options.grid = true;
    auto suite = open_suite(file.suite, options);
    EXPECT_EQ(suite->size(), file.with_photo) << file.suite << " " << file.split;
    auto facts = suite->metadata();
    EXPECT_EQ(facts.at("rows"), file.rows);
    EXPECT_EQ(facts.at("filtered"), nlohmann::json::object());
    EXPECT_EQ(facts.at("missing_images").at("first").size(), 10u);
    EXPECT_EQ(facts.at("missing_images").at("dropped_probes").at("image_generality"),
              file.with_photo);
    for (size_t i = 0; i < suite->size(); ++i) {
      auto record = suite->record(i);
      EXPECT_GT(record.image.load().width, 0);
      EXPECT_EQ(record.prompt == "a photo of", file.suite == std::string("e-ic"));
      for (const auto& probe : record.probes) {
        EXPECT_FALSE(probe.text.empty());
        EXPECT_FALSE(probe.answer.empty());
        EXPECT_TRUE(!probe.image.present() || std::filesystem::exists(probe.image.path));
        if (probe.group == Group::text_locality) {
          EXPECT_FALSE(probe.image.present());
          EXPECT_EQ(probe.text.rfind("nq question: ", 0), 0u);
        }
      }
    }
    all += suite->size();
  }
  EXPECT_EQ(all, 81u);
}

}  // namespace
}  // namespace emend
