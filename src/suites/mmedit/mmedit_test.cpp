#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "suites/suite.h"

namespace emend {
namespace {

using nlohmann::json;

json row(int i) {
  auto n = std::to_string(i);
  return {{"src", "What is " + n + "?"},
          {"rephrase", "Tell " + n},
          {"pred", "wrong " + n},
          {"alt", "right " + n},
          {"image", "val2014/" + n + ".jpg"},
          {"image_rephrase", "rephrased/" + n + ".png"},
          {"loc", "nq question: who is " + n},
          {"loc_ans", "nobody"},
          {"m_loc", "val2014/m" + n + ".jpg"},
          {"m_loc_q", "Which sport?"},
          {"m_loc_a", "chess"}};
}

// The layout of the published dataset in a temporary folder, with `count` rows and all images.
class MmeditTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"vqa", "caption", "val2014", "rephrased"})
      std::filesystem::create_directories(folder_.file(name));
    for (int i = 0; i < 6; ++i) {
      rows_.push_back(row(i));
      for (const auto& image : {"image", "image_rephrase", "m_loc"}) touch(rows_[i][image]);
    }
    options_.data = folder_.path();
    save();
  }
  // Does not use write_file, because waiting for the disk each time would dominate the test.
  void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  void touch(const std::string& name) { write(folder_.file(name), "a picture"); }
  void remove(const std::string& name) { std::filesystem::remove(folder_.file(name)); }
  void save() {
    for (const char* name :
         {"vqa/vqa_eval.json", "caption/caption_eval_edit.json", "mine.json", "eval_multihop.json"})
      write(folder_.file(name), rows_.dump(2));
  }
  std::unique_ptr<Suite> open(const std::string& name = "e-vqa") {
    save();
    auto options = options_;
    if (name == "mmedit-json") options.data = folder_.file("mine.json");
    return open_suite(name, options);
  }
  std::string error(const std::string& name = "e-vqa") {
    try {
      open(name);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  std::vector<std::string> asked(const Record& record, Group group) {
    std::vector<std::string> all;
    for (const auto& probe : record.probes) {
      if (probe.group != group) continue;
      auto image = std::filesystem::path(probe.image.path).filename().string();
      all.push_back(image + " | " + probe.text + " | " + probe.answer +
                    (probe.similar ? " | similar" : ""));
    }
    return all;
  }

  TemporaryFolder folder_;
  json rows_ = json::array();
  SuiteOptions options_;
};

using Texts = std::vector<std::string>;

TEST_F(MmeditTest, MakesTheProbesOfARow) {
  auto suite = open();
  ASSERT_EQ(suite->size(), 6u);
  auto record = suite->record(2);
  EXPECT_EQ(record.id, "e-vqa-eval-2");
  EXPECT_EQ(record.prompt, "What is 2?");
  EXPECT_EQ(record.before, "wrong 2");
  EXPECT_EQ(record.target, "right 2");
  EXPECT_EQ(record.truth, "");
  EXPECT_EQ(record.image.path, folder_.file("val2014/2.jpg"));
  EXPECT_EQ(record.image.drawn, nullptr);
  EXPECT_EQ(record.probes.size(), 5u);
  EXPECT_EQ(asked(record, Group::reliability), Texts{"2.jpg | What is 2? | right 2"});
  EXPECT_EQ(asked(record, Group::text_generality), Texts{"2.jpg | Tell 2 | right 2"});
  EXPECT_EQ(asked(record, Group::image_generality), Texts{"2.png | What is 2? | right 2"});
  EXPECT_EQ(asked(record, Group::text_locality), Texts{" | nq question: who is 2 | nobody"});
  EXPECT_EQ(asked(record, Group::image_locality), Texts{"m2.jpg | Which sport? | chess"});
  EXPECT_THROW(suite->record(6), Error);

  auto facts = suite->metadata();
  EXPECT_EQ(facts.at("name"), "e-vqa");
  EXPECT_EQ(facts.at("split"), "eval");
  EXPECT_EQ(facts.at("rows"), 6);
  EXPECT_EQ(facts.at("read"), 6);
  EXPECT_EQ(facts.at("kept"), 6);
  EXPECT_EQ(facts.at("filtered"), json::object());
  EXPECT_EQ(facts.at("missing_images").at("records"), 0);
  EXPECT_EQ(facts.at("images"), folder_.path());
  EXPECT_EQ(facts.at("hash").get<std::string>().size(), 32u);
}

TEST_F(MmeditTest, MakesTheOtherCellsOfTheGrid) {
  options_.grid = true;
  auto record = open()->record(1);
  EXPECT_EQ(asked(record, Group::both_generality), Texts{"1.png | Tell 1 | right 1"});
  EXPECT_EQ(asked(record, Group::random_image_locality),
            (Texts{"m1.jpg | What is 1? | wrong 1", "m1.jpg | Tell 1 | wrong 1 | similar"}));
  EXPECT_EQ(asked(record, Group::no_image_locality),
            (Texts{" | What is 1? | wrong 1", " | Tell 1 | wrong 1 | similar"}));
  EXPECT_EQ(asked(record, Group::consistent_image_locality),
            (Texts{"1.jpg | Which sport? | chess", "1.png | Which sport? | chess | similar"}));
  EXPECT_EQ(record.probes.size(), 12u);
}

TEST_F(MmeditTest, LeavesOutTheSameRowsAsTheReference) {
  rows_[1]["rephrase"] = "";
  rows_[3]["alt"] = "";
  rows_[4]["loc_ans"] = "";
  auto vqa = open();
  EXPECT_EQ(vqa->size(), 3u);
  EXPECT_EQ(vqa->record(1).id, "e-vqa-eval-2");
  EXPECT_EQ(vqa->metadata().at("filtered"),
            (json{{"empty rephrase", 1}, {"empty alt", 1}, {"empty loc_ans", 1}}));
  auto caption = open("e-ic");
  EXPECT_EQ(caption->size(), 5u);
  EXPECT_EQ(caption->metadata().at("filtered"), (json{{"empty alt", 1}}));
  EXPECT_TRUE(asked(caption->record(1), Group::text_generality).empty());

  // The limit counts kept records, not rows.
  options_.limit = 2;
  vqa = open();
  EXPECT_EQ(vqa->size(), 2u);
  EXPECT_EQ(vqa->record(1).id, "e-vqa-eval-2");
  EXPECT_EQ(vqa->metadata().at("read"), 3);
  EXPECT_EQ(vqa->metadata().at("rows"), 6);
  EXPECT_EQ(vqa->metadata().at("filtered"), (json{{"empty rephrase", 1}}));
  options_.limit = 100;
  EXPECT_EQ(open()->size(), 3u);

  for (auto& row : rows_) row["alt"] = "";
  EXPECT_NE(error().find("no usable records"), std::string::npos);
}

TEST_F(MmeditTest, BlankFieldsAreEmpty) {
  rows_[0]["src"] = "  ";
  rows_[1]["alt"] = " \t\n";
  rows_[2]["alt"] = json::array({" "});
  rows_[3]["rephrase"] = " ";
  rows_[4]["image"] = " ";
  const auto vqa = open();
  EXPECT_EQ(vqa->size(), 1u);
  EXPECT_EQ(vqa->metadata().at("filtered"), (json{{"empty src", 1},
                                                  {"empty alt", 2},
                                                  {"empty rephrase", 1},
                                                  {"empty image", 1}}));
  const auto any = open("mmedit-json");
  ASSERT_EQ(any->size(), 2u);
  EXPECT_TRUE(asked(any->record(0), Group::text_generality).empty());
}

TEST_F(MmeditTest, MmeditJsonMayLackFields) {
  rows_ = json::array({{{"src", "What?"}, {"alt", "this"}, {"image", "val2014/0.jpg"}}});
  rows_.push_back(row(1));
  rows_[1].erase("m_loc_a");
  rows_[1]["pred"] = nullptr;
  rows_[1]["image_rephrase"] = "";
  rows_[1]["anything"] = 7;
  options_.grid = true;
  auto suite = open("mmedit-json");
  auto bare = suite->record(0), some = suite->record(1);
  EXPECT_EQ(bare.id, "mmedit-json-0");
  EXPECT_EQ(bare.probes.size(), 2u);
  EXPECT_EQ(asked(bare, Group::reliability), Texts{"0.jpg | What? | this"});
  EXPECT_EQ(asked(bare, Group::no_image_locality), Texts{" | What? | this"});
  EXPECT_EQ(some.probes.size(), 7u);
  EXPECT_TRUE(asked(some, Group::image_locality).empty());
  EXPECT_EQ(asked(some, Group::random_image_locality).size(), 2u);
  EXPECT_FALSE(suite->metadata().contains("split"));
  EXPECT_NE(error("e-vqa").find("(row 0)"), std::string::npos) << "the benchmark's own has all";
  for (const char* field : {"src", "alt", "image"}) {
    auto whole = rows_;
    rows_[1].erase(field);
    EXPECT_NE(error("mmedit-json").find(std::string("has no '") + field), std::string::npos);
    rows_ = whole;
    rows_[1][field] = json::object();
    EXPECT_NE(error("mmedit-json").find("(row 1)"), std::string::npos);
    rows_ = whole;
  }
  EXPECT_EQ(suite->metadata().at("unused_fields"), (json{{"anything", 1}}));
}

TEST_F(MmeditTest, ErrorForRowsWithoutPicturesNamesTheSuite) {
  rows_ = json::array({{{"src", "What?"}, {"alt", "this"}, {"loc", "who?"}}});
  for (const char* suite : {"mmedit-json", "e-vqa"}) {
    EXPECT_NE(error(suite).find("has no 'image'"), std::string::npos) << error(suite);
    EXPECT_NE(error(suite).find("--suite counterfact"), std::string::npos);
  }
}

TEST_F(MmeditTest, ReadsNumbersAndListsOfOneAsAnswers) {
  rows_[0]["pred"] = 1;
  rows_[0]["alt"] = 2.5;
  rows_[0]["loc_ans"] = {"Shakespeare"};
  rows_[0]["m_loc_a"] = {3};
  rows_[0]["port_new"] = {{{"port_q", "And?"}, {"port_a", 4}}};
  auto record = open()->record(0);
  EXPECT_EQ(record.before, "1");
  EXPECT_EQ(record.target, "2.5");
  EXPECT_EQ(asked(record, Group::text_locality), Texts{" | nq question: who is 0 | Shakespeare"});
  EXPECT_EQ(asked(record, Group::image_locality), Texts{"m0.jpg | Which sport? | 3"});
  EXPECT_EQ(asked(record, Group::portability), Texts{"0.jpg | And? | 4"});

  // Errors for invalid answers name the field and a correction.
  const std::vector<std::pair<json, std::string>> wrong = {{true, "\"alt\": \"yes\""},
                                                           {{"a", "b"}, "keep one of them"},
                                                           {json::array(), "write it as text"},
                                                           {json::object(), "write it as text"}};
  for (const auto& [value, hint] : wrong) {
    rows_[1]["alt"] = value;
    auto told = error();
    EXPECT_NE(told.find("(row 1)': 'alt'"), std::string::npos) << told;
    EXPECT_NE(told.find(hint), std::string::npos) << told;
  }
  // A question must be a string.
  rows_[1]["alt"] = "this";
  rows_[1]["src"] = 5;
  EXPECT_NE(error().find("write it in quotes"), std::string::npos) << error();
}

TEST_F(MmeditTest, LimitCountsKeptRecords) {
  for (int i = 0; i < 3; ++i) remove("val2014/" + std::to_string(i) + ".jpg");
  remove("rephrased/4.png");
  options_.limit = 2;
  options_.missing_images = MissingImages::skip_probes;
  auto probes = open();
  ASSERT_EQ(probes->size(), 2u);
  EXPECT_EQ(probes->record(0).id, "e-vqa-eval-3");
  EXPECT_EQ(probes->record(1).id, "e-vqa-eval-4");
  EXPECT_EQ(probes->metadata().at("read"), 5);
  EXPECT_EQ(probes->metadata().at("missing_images").at("records"), 3);
  options_.missing_images = MissingImages::skip_records;
  auto records = open();
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ(records->record(1).id, "e-vqa-eval-5");
  // With `refuse`, records with missing images count, too.
  options_.missing_images = MissingImages::refuse;
  EXPECT_NE(error().find("2 of 2 records"), std::string::npos) << error();
}

TEST_F(MmeditTest, HintsOmitOptionsThatWereGiven) {
  for (int i = 0; i < 6; ++i) remove("val2014/" + std::to_string(i) + ".jpg");
  EXPECT_NE(error().find("--images and --rephrase-images"), std::string::npos);
  options_.images = folder_.path();
  EXPECT_EQ(error().find("--images "), std::string::npos) << error();
  EXPECT_NE(error().find("--rephrase-images"), std::string::npos) << error();
  options_.rephrase_images = folder_.path();
  EXPECT_EQ(error().find("--rephrase-images"), std::string::npos) << error();
  options_.missing_images = MissingImages::skip_probes;
  EXPECT_NE(error().find("no usable records"), std::string::npos) << error();
  EXPECT_EQ(error().find("--"), std::string::npos) << error();
  // skip-probes is suggested only if it would help.
  options_.missing_images = MissingImages::skip_records;
  EXPECT_EQ(error().find("skip-probes"), std::string::npos) << error();
  for (int i = 0; i < 6; ++i) {
    touch("val2014/" + std::to_string(i) + ".jpg");
    remove("rephrased/" + std::to_string(i) + ".png");
  }
  EXPECT_NE(error().find("skip-probes"), std::string::npos) << error();
}

TEST_F(MmeditTest, ReadsBothFormatsOfPortability) {
  options_.split = "multi-hop";
  rows_[0]["port_new"] = {{{"port_edit_q", "Where?"},
                           {"port_edit_a", "here"},
                           {"port_q", "And then?"},
                           {"port_a", "there"}}};
  rows_[1]["port_new"] = {
      {{"port_type", "2-hop"}, {"Q&A", {{"Question", "Two?"}, {"Answer", "2"}}}},
      {{"port_type", "3-hop"}, {"Q&A", {{"Question", "Three?"}, {"Answer", "3"}}}}};
  rows_[2]["port_new"] = json::array();
  auto suite = open("vlkeb");
  EXPECT_EQ(suite->record(0).id, "vlkeb-multi-hop-0");
  EXPECT_EQ(asked(suite->record(0), Group::portability), Texts{"0.jpg | And then? | there"});
  EXPECT_EQ(asked(suite->record(1), Group::portability),
            (Texts{"1.jpg | Two? | 2", "1.jpg | Three? | 3"}));
  EXPECT_TRUE(asked(suite->record(2), Group::portability).empty());
  for (const json& bad : {json("text"), json::array({1}), json::array({json::object()}),
                          json::array({{{"Q&A", 1}}}), json::array({{{"port_q", "no answer"}}})}) {
    rows_[3]["port_new"] = bad;
    EXPECT_NE(error("vlkeb").find("(row 3)"), std::string::npos) << bad;
  }
}

TEST_F(MmeditTest, ReportsMissingImagesWhenOpened) {
  for (int i = 0; i < 4; ++i) remove("rephrased/" + std::to_string(i) + ".png");
  remove("val2014/0.jpg");
  remove("val2014/m4.jpg");
  rows_[5]["m_loc"] = "val2014/m4.jpg";  // one file, two records
  auto told = error();
  for (const char* part :
       {"6 of 6 records", "6 files are not found in", "val2014/0.jpg", "rephrased/0.png",
        "val2014/m4.jpg", "skip keeps the 0 complete records", "skip-probes the 5", "--images"})
    EXPECT_NE(told.find(part), std::string::npos) << part << " in " << told;
  EXPECT_EQ(told.find(", ..."), std::string::npos);

  for (const auto& row : rows_)
    for (const char* image : {"image", "image_rephrase", "m_loc"}) remove(row.at(image));
  told = error();
  EXPECT_NE(told.find("17 files"), std::string::npos) << told;
  EXPECT_NE(told.find(", ..."), std::string::npos) << "ten are named";
  EXPECT_NE(told.find("val2014/m2.jpg"), std::string::npos);
  EXPECT_EQ(told.find("val2014/3.jpg, "), told.rfind("val2014/3.jpg")) << told;
  options_.missing_images = MissingImages::skip_probes;
  EXPECT_NE(error().find("no usable records"), std::string::npos);
}

TEST_F(MmeditTest, SkipsRecordsOrProbesWithMissingImages) {
  options_.grid = true;
  remove("val2014/0.jpg");
  remove("rephrased/1.png");
  remove("val2014/m2.jpg");
  options_.missing_images = MissingImages::skip_records;
  auto records = open();
  EXPECT_EQ(records->size(), 3u);
  EXPECT_EQ(records->record(0).id, "e-vqa-eval-3");
  auto missing = records->metadata().at("missing_images");
  EXPECT_EQ(missing.at("policy"), "skip");
  EXPECT_EQ(missing.at("records"), 3);
  EXPECT_EQ(missing.at("files"), 3);
  EXPECT_EQ(missing.at("first"), (json{"val2014/0.jpg", "rephrased/1.png", "val2014/m2.jpg"}));
  EXPECT_EQ(missing.at("dropped_probes"), json::object());

  options_.missing_images = MissingImages::skip_probes;
  auto probes = open();
  ASSERT_EQ(probes->size(), 5u);
  auto no_rephrase = probes->record(0), no_m_loc = probes->record(1);
  EXPECT_EQ(no_rephrase.id, "e-vqa-eval-1");
  EXPECT_TRUE(asked(no_rephrase, Group::image_generality).empty());
  EXPECT_TRUE(asked(no_rephrase, Group::both_generality).empty());
  EXPECT_EQ(no_rephrase.probes.size(), 9u);
  EXPECT_TRUE(asked(no_m_loc, Group::image_locality).empty());
  EXPECT_TRUE(asked(no_m_loc, Group::random_image_locality).empty());
  EXPECT_EQ(asked(no_m_loc, Group::consistent_image_locality).size(), 2u) << "a text is there";
  EXPECT_EQ(no_m_loc.probes.size(), 9u);
  EXPECT_EQ(probes->record(2).probes.size(), 12u);
  EXPECT_EQ(probes->metadata().at("missing_images").at("records"), 1) << "left out";
  EXPECT_EQ(probes->metadata().at("missing_images").at("files"), 3);
  EXPECT_EQ(probes->metadata().at("missing_images").at("dropped_probes"),
            (json{{"image_generality", 1},
                  {"both_generality", 1},
                  {"consistent_image_locality", 1},
                  {"image_locality", 1},
                  {"random_image_locality", 2}}));
  // Missing images are recorded when the suite is opened and do not change later.
  touch("rephrased/1.png");
  EXPECT_TRUE(asked(probes->record(0), Group::image_generality).empty());
}

TEST_F(MmeditTest, FindsFilesInStandardPlaces) {
  options_.data = folder_.file("vqa/vqa_eval.json");  // images are in the parent folder
  EXPECT_EQ(open()->metadata().at("images"), folder_.path());
  options_.data = folder_.file("vqa");
  EXPECT_EQ(open()->size(), 6u);
  options_.data = folder_.path();
  std::filesystem::rename(folder_.file("val2014"), folder_.file("elsewhere"));
  EXPECT_NE(error().find("have missing images"), std::string::npos);
  std::filesystem::create_directories(folder_.file("photos"));
  std::filesystem::rename(folder_.file("elsewhere"), folder_.file("photos/val2014"));
  options_.images = folder_.file("photos");
  EXPECT_NE(error().find("rephrased/0.png"), std::string::npos);
  options_.rephrase_images = folder_.path();
  auto suite = open();
  EXPECT_EQ(suite->record(0).image.path, folder_.file("photos/val2014/0.jpg"));
  EXPECT_EQ(suite->metadata().at("rephrase_images"), folder_.path());
  options_.images = folder_.file("fotos");
  EXPECT_NE(error().find("is not a folder"), std::string::npos);

  options_ = {};
  EXPECT_NE(error().find("needs a data file"), std::string::npos);
  options_.data = folder_.file("photos");
  EXPECT_NE(error().find("photos/vqa/vqa_eval.json"), std::string::npos);
  options_.data = folder_.file("absent.json");
  EXPECT_NE(error().find("absent.json"), std::string::npos);
  options_.data = folder_.path();
  EXPECT_THROW(open_suite("mmedit-json", options_), Error) << "which of the files?";
  options_.split = "one-hop";
  EXPECT_NE(error().find("use one of: eval, train"), std::string::npos);
  EXPECT_NE(error("okvqa").find("mmedit-json"), std::string::npos);
  EXPECT_EQ(suite_names(), (Texts{"scenes", "e-vqa", "e-ic", "vlkeb", "photo-vqa", "photo-caption",
                                  "mmedit-json", "counterfact", "zsre", "knowedit", "mquake"}));
}

TEST_F(MmeditTest, ReadsSuitesOfPhotos) {
  for (const char* name : {"eval.json", "near.json", "train.json"})
    write(folder_.file(name), rows_.dump(2));
  for (const char* split : {"eval", "near", "train"}) {
    options_.split = split;
    EXPECT_EQ(open("photo-vqa")->record(1).id, std::string("photo-vqa-") + split + "-1");
    EXPECT_EQ(open("photo-caption")->record(1).probes.size(), 5u);
  }
  rows_[1]["rephrase"] = "";
  write(folder_.file("train.json"), rows_.dump(2));
  EXPECT_EQ(open("photo-vqa")->size(), 5u);
  EXPECT_EQ(open("photo-caption")->size(), 6u) << "as E-IC";
  options_.split = "test";
  EXPECT_NE(error("photo-vqa").find("use one of: eval, near, train"), std::string::npos);
}

TEST_F(MmeditTest, RefusesMaliciousNamesOfPictures) {
  rows_[0]["image"] = std::string("val2014/0.jpg\0.txt", 18);
  EXPECT_NE(error().find("null byte"), std::string::npos);
  rows_[0]["image"] = std::string(10000, 'x');
  EXPECT_NE(error().find("have missing images"), std::string::npos);
  rows_[0]["image"] = "val2014";  // a folder
  EXPECT_NE(error().find("have missing images"), std::string::npos);
  rows_[0]["image"] = folder_.file("val2014/0.jpg");
  EXPECT_EQ(open()->record(0).image.path, folder_.file("val2014/0.jpg"));
}

// Bytes that are allocated and not freed, whatever the allocator keeps.
size_t live_bytes() {
  auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(MmeditTest, KeepsOnlyOffsetsInMemory) {
  rows_ = json::array();
  auto one = row(0);
  one["loc_ans"] = std::string(3000, 'x');
  constexpr size_t kRows = 3000;
  {
    auto all = json::array();
    for (size_t i = 0; i < kRows; ++i) all.push_back(one);
    write(folder_.file("mine.json"), all.dump());
  }
  options_.data = folder_.file("mine.json");
  ASSERT_GT(std::filesystem::file_size(options_.data), size_t{9} << 20);
  auto before = live_bytes();
  auto suite = open_suite("mmedit-json", options_);
  auto held = live_bytes() - before;
  EXPECT_LT(held, kRows * 32 + 16384) << "16 bytes a row, 8 more a record";
  for (size_t i = 0; i < suite->size(); ++i) ASSERT_EQ(suite->record(i).target, "right 0");
  EXPECT_LT(live_bytes() - before, held + 16384) << "nothing stays of a record";
}

TEST_F(MmeditTest, DamagedFilesAreErrors) {
  rows_.erase(rows_.begin() + 2, rows_.end());
  auto text = rows_.dump(2);
  rows_[0]["port_new"] = {{{"port_q", "a"}, {"port_a", "b"}}};
  auto other = rows_.dump();
  int opened = 0;
  options_.data = folder_.file("damaged.json");
  options_.images = folder_.path();
  options_.missing_images = MissingImages::skip_probes;
  auto wrong = fuzz({text, other}, 2000, 11, [&](const std::string& bytes) {
    write(options_.data, bytes);
    auto suite = open_suite("mmedit-json", options_);
    for (size_t i = 0; i < suite->size(); ++i) {
      auto record = suite->record(i);
      ASSERT_FALSE(record.target.empty());
      ASSERT_FALSE(record.probes.empty());
    }
    // The result must agree with a reader of the whole file.
    auto whole = parse_json(bytes, "whole");
    ASSERT_EQ(whole.size(), suite->metadata().at("rows").get<size_t>());
    ++opened;
  });
  EXPECT_EQ(wrong, "");
  EXPECT_GT(opened, 100);
}

}  // namespace
}  // namespace emend
