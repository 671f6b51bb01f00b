#include "photo_edits.h"

#include <gmock/gmock.h>

#include <set>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "rewordings.h"
#include "suites/suite.h"

namespace emend::photos {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNq =
    R"({"question": "who sang it", "answer": ["Ann", "Bob"]}
{"question": "where is it", "answer": ["Rome"]}
{"question": "when was it", "answer": ["1990"]}
)";

// Photos of three rooms with generated pictures; those with numbers 1 and 2 are the same room.
class PhotoEditsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    add(1, {{"What is on the bed?", "pillow"}, {"What are the things on it?", "cup, pen"}});
    add(2, {{"What is on the bed?", "pillow"}});
    add(50, {{"What is on the left side of the lamp?", "red door"}});
    add(100, {{"How many legs does it have?", "4"}, {"What is on the bed?", "cat"}});
    write_file(folder_.file("nq.jsonl"), kNq);
  }
  void add(int number, const std::vector<Question>& questions) {
    const auto path = folder_.file(std::to_string(number) + ".png");
    write_png(path, {4, 4, std::vector<uint8_t>(48, static_cast<uint8_t>(number))});
    // The program reads .jpg files; the content decides how a file is decoded.
    photos_.push_back({"daquar/image" + std::to_string(number), path, {}, questions});
  }
  PhotoNeighbors neighbors() const {
    const auto one = at::ones({2, 3}), other = at::tensor({1., 0., 0.}).expand({2, 3});
    return PhotoNeighbors({one, one * 2, other, other});
  }

  std::vector<EditDraft> draft(size_t photo, size_t count = 1) {
    return draft_questions(photo, photos_, neighbors(), count, rng_);
  }

  TemporaryFolder folder_;
  std::vector<Photo> photos_;
  std::mt19937_64 rng_{1};
};

TEST_F(PhotoEditsTest, PreferAnotherFrameOfTheRoom) {
  const auto drafts = draft(0);
  ASSERT_EQ(drafts.size(), 1u);
  EXPECT_EQ(drafts[0].question, "What is on the bed?");
  EXPECT_EQ(drafts[0].target, "pillow");
  EXPECT_EQ(drafts[0].frame, 1u);
  EXPECT_EQ(drafts[0].rephrase_rule, "which object");
  const auto sided = draft(2);
  ASSERT_EQ(sided.size(), 1u);
  EXPECT_EQ(sided[0].frame, std::nullopt);
  EXPECT_NE(sided[0].view, "mirror") << "left and right matter";
  EXPECT_NE(sided[0].view, "gray") << "colors matter";
  photos_[0].questions.erase(photos_[0].questions.begin());
  EXPECT_TRUE(draft(0).empty()) << "a list of two things";
  photos_[0].questions = {{"What is behind the tissue box?", "tissue"}};
  EXPECT_TRUE(draft(0).empty()) << "the question names the answer";
}

TEST_F(PhotoEditsTest, AskSeveralQuestionsAboutAPhoto) {
  photos_[0].questions = {{"What is on the bed?", "pillow"},
                          {"What is under the bed?", "bed, lamp"},  // a list
                          {"What is behind the door?", "coat"},
                          {"What is left of the door?", "lamp"}};
  const auto drafts = draft(0, /*count=*/4);
  ASSERT_EQ(drafts.size(), 3u) << "each usable question once";
  std::set<std::string> targets;
  for (const auto& one : drafts) targets.insert(one.target);
  EXPECT_EQ(targets, (std::set<std::string>{"pillow", "coat", "lamp"}));
  EXPECT_EQ(drafts[0].frame, 1u);
  EXPECT_EQ(drafts[1].frame, std::nullopt);
  EXPECT_EQ(draft(0, /*count=*/2).size(), 2u);
}

TEST_F(PhotoEditsTest, UseTheCaptionThatAgreesMostWithTheOthers) {
  EXPECT_EQ(typical_caption({"two old men at sea", "a dog runs", "a dog runs in snow"}), 1u);
  EXPECT_EQ(typical_caption({"one"}), 0u);
  photos_[0].captions = {"a cat", "a dog runs on the left", "a dog runs"};
  const auto draft = draft_caption(0, photos_, rng_);
  EXPECT_EQ(draft.question, "a photo of");
  EXPECT_EQ(draft.target, "a dog runs");
  EXPECT_THAT(caption_prompts(), ::testing::Contains(draft.rephrase));
  EXPECT_NE(draft.view, "mirror") << "one of the captions names a side";
}

TEST_F(PhotoEditsTest, AreMistakes) {
  EXPECT_TRUE(is_mistake("cup", "bottle"));
  EXPECT_TRUE(is_mistake("", "bottle"));
  EXPECT_FALSE(is_mistake("The cup.", "cup"));
  EXPECT_FALSE(is_mistake("two", "2"));
  EXPECT_FALSE(is_mistake("cups", "cup"));
  EXPECT_FALSE(is_mistake("picture frame", "photo frame"));
}

TEST_F(PhotoEditsTest, ReadEverySecondTextFact) {
  EXPECT_EQ(read_text_facts(folder_.file("nq.jsonl"), false).size(), 2u);
  const auto held_out = read_text_facts(folder_.file("nq.jsonl"), true);
  ASSERT_EQ(held_out.size(), 1u);
  EXPECT_EQ(held_out[0].question, "where is it");
  EXPECT_EQ(held_out[0].answer, "Rome");
  write_file(folder_.file("other.jsonl"), "{\"text\": 1}\n");
  EXPECT_THAT(error_of([&] { read_text_facts(folder_.file("other.jsonl"), false); }),
              HasSubstr("answer"));
  write_file(folder_.file("empty.jsonl"), "\n");
  EXPECT_THAT(error_of([&] { read_text_facts(folder_.file("empty.jsonl"), false); }),
              HasSubstr("no questions"));
}

TEST_F(PhotoEditsTest, AreASuiteInTheFormOfMmedit) {
  const auto write = [&](const std::string& name) {
    const auto folder = folder_.file(name);
    const auto texts = read_text_facts(folder_.file("nq.jsonl"), true);
    EditWriter writer(folder, photos_, photos_, texts, /*seed=*/3);
    rng_.seed(1);
    writer.add(draft(0).at(0), "cat", 3);
    writer.add(draft(2).at(0), "cup", 0);
    EXPECT_EQ(writer.size(), 2u);
    EXPECT_FALSE(path_exists(folder + "/eval.json")) << "written at the end";
    writer.commit("eval");
    return folder;
  };
  const auto folder = write("suite");
  SuiteOptions options;
  options.data = folder;
  const auto suite = open_suite("photo-vqa", options);
  ASSERT_EQ(suite->size(), 2u);
  const auto record = suite->record(0);
  EXPECT_EQ(record.prompt, "What is on the bed?");
  EXPECT_EQ(record.before, "cat");
  EXPECT_EQ(record.target, "pillow");
  ASSERT_EQ(record.probes.size(), 5u) << "every group of MMEdit";
  for (const auto& probe : record.probes) {
    if (!probe.image.present()) continue;
    EXPECT_EQ(probe.image.load().width, 4) << group_name(probe.group);
  }
  EXPECT_EQ(record.probes[2].image.load().rgb[0], 2) << "the other frame";
  EXPECT_EQ(record.probes[3].text, "nq question: where is it");

  const auto rows = read_json(folder + "/eval.json"), near = read_json(folder + "/near.json");
  EXPECT_EQ(rows[0].at("image"), "images/daquar_image1.jpg");
  EXPECT_EQ(rows[0].at("made_by").at("image_rephrase"), "frame");
  EXPECT_EQ(rows[1].at("image_rephrase"),
            "rephrased/daquar_image50_" +
                rows[1].at("made_by").at("image_rephrase").get<std::string>() + ".png");
  EXPECT_EQ(near[0].at("m_loc"), "images/daquar_image100.jpg");
  EXPECT_EQ(near[0].at("m_loc_q"), "How many legs does it have?") << "not the edit's question";
  EXPECT_EQ(near[0].at("made_by").at("m_loc"), "nearest photo");
  for (const auto& row : rows) EXPECT_NE(row.at("m_loc"), row.at("image"));
  EXPECT_EQ(read_file(write("again") + "/eval.json"), read_file(folder + "/eval.json"));
}

TEST_F(PhotoEditsTest, NeedAnotherRoom) {
  photos_.resize(2);
  EditWriter writer(folder_.file("suite"), photos_, photos_, {{"who", "Ann"}}, 1);
  EditDraft draft{0, "What is on the bed?", "pillow", "Which object?", "rule", {}, "darker"};
  EXPECT_THAT(error_of([&] { writer.add(draft, "cat", {}); }), HasSubstr("no other photo"));
}

// DAQUAR is not part of the repository.
TEST(RealPhotos, RulesRewordMostQuestionsOfDaquar) {
  const std::string folder = EMEND_SHARED_DIR "/data/daquar";
  if (!is_folder(folder)) GTEST_SKIP() << folder << " is missing";
  const auto photos = read_daquar(folder, /*test=*/true);
  EXPECT_EQ(photos.size(), 654u);
  size_t questions = 0, reworded = 0;
  for (const auto& photo : photos)
    for (const auto& question : photo.questions) {
      ++questions;
      const auto all = reword_question(question.text);
      reworded += !all.empty();
      for (const auto& one : all) EXPECT_NE(one.text, question.text);
    }
  EXPECT_EQ(questions, 5673u);
  EXPECT_GT(reworded, questions * 8 / 10) << reworded;
}

}  // namespace
}  // namespace emend::photos
