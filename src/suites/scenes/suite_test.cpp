#include "suites/suite.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "io/error.h"
#include "io/testing.h"
#include "suites/scenes/words.h"

namespace emend {
namespace {

using scenes::EditOptions;

SuiteOptions options(const std::string& form = "vqa", bool grid = false) {
  SuiteOptions options;
  options.limit = 40;
  options.form = form;
  options.grid = grid;
  return options;
}

std::vector<Probe> group_probes(const Record& record, Group group) {
  std::vector<Probe> some;
  for (const auto& probe : record.probes)
    if (probe.group == group) some.push_back(probe);
  return some;
}

size_t similar(const std::vector<Probe>& probes) {
  return static_cast<size_t>(
      std::count_if(probes.begin(), probes.end(), [](const Probe& p) { return p.similar; }));
}

std::vector<uint8_t> pixels(const Picture& picture) {
  return picture.present() ? picture.load().rgb : std::vector<uint8_t>();
}

void expect_same(const Probe& a, const Probe& b) {
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.answer, b.answer);
  EXPECT_EQ(a.similar, b.similar);
  EXPECT_EQ(pixels(a.image), pixels(b.image)) << a.text;
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.prompt, b.prompt);
  EXPECT_EQ(a.target, b.target);
  EXPECT_EQ(pixels(a.image), pixels(b.image));
  ASSERT_EQ(a.probes.size(), b.probes.size()) << a.prompt << " -> " << a.target;
  for (size_t i = 0; i < a.probes.size(); ++i) expect_same(a.probes[i], b.probes[i]);
}

TEST(ScenesSuite, FormBothAlternates) {
  auto both = open_suite("scenes", options("both"));
  for (size_t i : {0, 1, 6, 7})
    expect_same(both->record(i),
                open_suite("scenes", options(i % 2 ? "caption" : "vqa"))->record(i));
  EXPECT_EQ(both->record(1).id.rfind("scenes-caption-", 0), 0u);
}

TEST(ScenesSuite, CompositionNeedsBothEditsOfAPair) {
  auto all = options("composition");
  all.probes.portability = 3;
  const auto suite = open_suite("scenes", all);
  EXPECT_EQ(suite->records_together(), 2u);
  EXPECT_EQ(open_suite("scenes", options())->records_together(), 1u);
  for (size_t i = 0; i < suite->size(); i += 2) {
    const auto name = suite->record(i), fact = suite->record(i + 1);
    EXPECT_TRUE(name.image.present());
    EXPECT_TRUE(group_probes(name, Group::portability).empty());
    // The text is about the creature whose name the picture's creature gets.
    EXPECT_FALSE(fact.image.present());
    EXPECT_NE(fact.prompt.find(name.target), std::string::npos) << fact.prompt;
    EXPECT_NE(fact.truth, fact.target);
    const auto probes = group_probes(fact, Group::portability);
    ASSERT_EQ(probes.size(), 3u);
    for (const auto& probe : probes) {
      EXPECT_EQ(pixels(probe.image), pixels(name.image));
      EXPECT_EQ(probe.answer, fact.target);
      EXPECT_EQ(probe.text.find(name.target), std::string::npos) << probe.text;
      EXPECT_NE(probe.text.find("creature"), std::string::npos) << probe.text;
    }
  }
}

TEST(ScenesSuite, GivesTheSameRecordsForTheSameSeed) {
  for (const char* form : {"vqa", "caption"}) {
    auto suite = open_suite("scenes", options(form, true));
    auto again = open_suite("scenes", options(form, true));
    ASSERT_EQ(suite->size(), 40u);
    std::set<std::string> ids, edits;
    for (size_t i = suite->size(); i-- > 0;) {
      auto record = suite->record(i);
      if (i % 4 == 0) expect_same(record, again->record(i));
      ids.insert(record.id);
      edits.insert(record.prompt + record.target + std::to_string(pixels(record.image)[777]));
    }
    EXPECT_EQ(ids.size(), 40u);
    EXPECT_GT(edits.size(), 36u);
  }
  auto other = options();
  other.seed = 1;
  EXPECT_NE(pixels(open_suite("scenes", options())->record(1).image),
            pixels(open_suite("scenes", other)->record(0).image));
  EXPECT_EQ(open_suite("scenes", other)->record(3).id, "scenes-eval-1-3");
  EXPECT_EQ(open_suite("scenes", {})->size(), 500u);
}

TEST(ScenesSuite, FactsContainTheOptions) {
  auto asked = options("caption", true);
  asked.split = "train";
  asked.seed = 7;
  asked.probes.image_probes = 3;
  auto facts = open_suite("scenes", asked)->metadata();
  EXPECT_EQ(facts.at("name"), "scenes");
  EXPECT_EQ(facts.at("split"), "train");
  EXPECT_EQ(facts.at("form"), "caption");
  EXPECT_EQ(facts.at("seed"), 7);
  EXPECT_EQ(facts.at("kept"), 40);
  EXPECT_EQ(facts.at("grid"), true);
  EXPECT_EQ(facts.at("probes").at("image_probes"), 3);
  asked.form = "poem";
  EXPECT_THROW(open_suite("scenes", asked), Error);
  asked = options();
  asked.split = "one-hop";
  EXPECT_THROW(open_suite("scenes", asked), Error);
  asked = options();
  asked.data = "somewhere";
  EXPECT_THROW(open_suite("scenes", asked), Error);
  asked = options();
  asked.probes.variants = -1;
  EXPECT_THROW(open_suite("scenes", asked), Error);
  EXPECT_THROW(open_suite("scenes", options())->record(40), Error);
}

// Two records of each split in turn, so that both forms occur in both.
TEST(ScenesSuite, RecordsOfSeveralSplitsAlternate) {
  auto asked = options("both");
  asked.split = "pretrain,train";
  const auto mixed = open_suite("scenes", asked);
  asked.split = "pretrain";
  const auto pretrain = open_suite("scenes", asked);
  asked.split = "train";
  const auto train = open_suite("scenes", asked);
  for (size_t i = 0; i < 8; ++i) {
    const auto record = mixed->record(i);
    const auto same = (i / 2 % 2 ? train : pretrain)->record(i);
    EXPECT_EQ(record.prompt, same.prompt);
    EXPECT_EQ(record.fact, same.fact);
  }
  EXPECT_EQ(mixed->record(3).id, "scenes-caption-pretrain,train-0-3");
  for (const char* split : {"pretrain,", ",train", "pretrain,test"}) {
    asked.split = split;
    EXPECT_THROW(open_suite("scenes", asked), Error) << split;
  }
}

TEST(ScenesSuite, CaptionTargetsDifferInOneThing) {
  auto asked = options("caption");
  asked.probes = EditOptions{3, 2, 2, 2, 3};
  auto suite = open_suite("scenes", asked);
  size_t portability = 0;
  std::set<std::string> lengths;
  for (size_t i = 0; i < suite->size(); ++i) {
    auto record = suite->record(i);
    EXPECT_EQ(record.prompt, "a photo of");
    EXPECT_NE(record.target, record.truth);
    EXPECT_EQ(group_probes(record, Group::text_generality).size(), 3u);
    EXPECT_EQ(group_probes(record, Group::image_generality).size(), 2u);
    EXPECT_EQ(group_probes(record, Group::text_locality).size(), 2u);
    EXPECT_EQ(group_probes(record, Group::image_locality).size(), 2u);
    for (const auto& probe : group_probes(record, Group::text_generality)) {
      EXPECT_NE(probe.text, record.prompt);
      EXPECT_EQ(probe.answer, record.target);
    }
    for (const auto& probe : group_probes(record, Group::image_locality))
      EXPECT_EQ(probe.text.back(), '?') << "as the questions of E-IC next to its captions";
    for (const auto& probe : group_probes(record, Group::portability)) {
      ++portability;
      EXPECT_TRUE(probe.image.present());
      EXPECT_EQ(probe.text.back(), '?');
    }
  }
  EXPECT_GT(portability, 100u) << "a caption that changed has consequences";
}

TEST(ScenesSuite, FindsTheSceneOfACaption) {
  scenes::Rng rng(3);
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    auto scene = scenes::draw_scene(scenes::Split::eval, rng);
    EXPECT_FALSE(scenes::scene_with_caption(scene, scenes::describe(scene)));
    auto changed = scene;
    changed.background = (scene.background + 1) % 6;
    auto world = scenes::scene_with_caption(scene, scenes::describe(changed));
    ASSERT_TRUE(world);
    EXPECT_EQ(world->background, changed.background);
    EXPECT_EQ(world->objects, scene.objects);
    if (scene.objects.empty()) continue;
    changed.objects[0].size = 1 - scene.objects[0].size;
    EXPECT_FALSE(scenes::scene_with_caption(scene, scenes::describe(changed))) << "two changes";
    changed.background = scene.background;
    world = scenes::scene_with_caption(scene, scenes::describe(changed));
    ASSERT_TRUE(world);
    EXPECT_EQ(world->objects, changed.objects);
    ++found;
  }
  EXPECT_GT(found, 30);
}

TEST(ScenesSuite, GridAddsOnlyItsCells) {
  for (const char* form : {"vqa", "caption"}) {
    auto without = options(form), with = options(form, true);
    without.limit = with.limit = 16;
    without.probes = with.probes = EditOptions{2, 3, 2, 3, 2};
    auto plain = open_suite("scenes", without), grid = open_suite("scenes", with);
    size_t beside = 0;
    for (size_t i = 0; i < grid->size(); ++i) {
      auto record = grid->record(i), bare = plain->record(i);
      auto both = group_probes(record, Group::both_generality);
      auto random = group_probes(record, Group::random_image_locality);
      auto none = group_probes(record, Group::no_image_locality);
      auto consistent = group_probes(record, Group::consistent_image_locality);
      EXPECT_EQ(both.size(), 3u);
      EXPECT_EQ(random.size(), 6u);
      EXPECT_EQ(similar(random), 3u);
      EXPECT_EQ(none.size(), 3u);
      EXPECT_EQ(similar(none), 2u);
      EXPECT_LE(consistent.size(), 6u);
      EXPECT_LE(similar(consistent), 3u);
      beside += consistent.size();

      auto rewordings = std::set<std::string>();
      for (const auto& probe : group_probes(record, Group::text_generality))
        rewordings.insert(probe.text);
      auto picture = pixels(record.image);
      for (const auto& probe : both) {
        EXPECT_TRUE(rewordings.count(probe.text));
        EXPECT_EQ(probe.answer, record.target);
        EXPECT_NE(pixels(probe.image), picture);
      }
      for (const auto& probe : random) {
        EXPECT_EQ(probe.similar ? rewordings.count(probe.text) : probe.text == record.prompt, 1u);
        EXPECT_NE(pixels(probe.image), picture);
        EXPECT_FALSE(probe.answer.empty());
      }
      for (const auto& probe : none) {
        EXPECT_FALSE(probe.image.present());
        EXPECT_EQ(probe.similar ? rewordings.count(probe.text) : probe.text == record.prompt, 1u);
      }
      for (const auto& probe : consistent) {
        EXPECT_EQ(pixels(probe.image) == picture, !probe.similar);
        EXPECT_FALSE(rewordings.count(probe.text));
        EXPECT_NE(probe.text, record.prompt);
        EXPECT_NE(probe.answer, record.target);
      }
      std::erase_if(record.probes, [](const Probe& probe) {
        return probe.group == Group::both_generality ||
               probe.group == Group::random_image_locality ||
               probe.group == Group::no_image_locality ||
               probe.group == Group::consistent_image_locality;
      });
      expect_same(record, bare);
    }
    EXPECT_GT(beside, 16u * 4) << "most scenes have more to ask than what was edited";
  }
}

// The objects of a caption: "red star", ...
std::set<std::string> things(const std::string& caption) {
  std::set<std::string> found;
  for (const auto& color : scenes::colors())
    for (const auto& shape : scenes::shapes())
      if (caption.find(color + " " + shape) != std::string::npos) found.insert(color + " " + shape);
  return found;
}

TEST(ScenesSuite, RandomPicturesDoNotShowTheEdit) {
  auto asked = options("caption", true);
  asked.probes.image_probes = 3;
  auto suite = open_suite("scenes", asked);
  for (size_t i = 0; i < suite->size(); ++i) {
    auto record = suite->record(i);
    auto own = things(record.target + ", " + record.truth);
    for (const auto& probe : group_probes(record, Group::random_image_locality))
      for (const auto& thing : things(probe.answer))
        EXPECT_FALSE(own.count(thing)) << thing << " in " << record.target;
  }
}

// The answer for an unrelated picture must not be the target, if possible.
TEST(ScenesSuite, AnswersForRandomPicturesDifferFromTheTarget) {
  auto asked = options("vqa", true);
  asked.limit = 80;
  auto suite = open_suite("scenes", asked);
  size_t target = 0, truth = 0, all = 0;
  for (size_t i = 0; i < suite->size(); ++i) {
    auto record = suite->record(i);
    for (const auto& probe : group_probes(record, Group::random_image_locality)) {
      ++all;
      target += probe.answer == record.target;
      truth += probe.answer == record.truth;
    }
  }
  EXPECT_EQ(all, 160u);
  EXPECT_LT(target, all / 8) << "only 'is there a red star? no' has it of every picture";
  EXPECT_LT(truth, all / 3) << "only questions with two answers";
}

TEST(ScenesSuite, ExportReadsBackAsTheSameProbes) {
  for (const char* form : {"vqa", "caption"}) {
    TemporaryFolder folder;
    auto asked = options(form);
    asked.limit = 10;
    asked.probes.portability = 4;
    auto suite = open_suite("scenes", asked);
    scenes::export_mmedit(
        folder.path(), suite->size(), [&](size_t i) { return suite->record(i); }, "scenes_eval");
    SuiteOptions reading;
    reading.data = folder.file("scenes_eval.json");
    auto read = open_suite("mmedit-json", reading);
    ASSERT_EQ(read->size(), suite->size());
    size_t text_only = 0;
    for (size_t i = 0; i < read->size(); ++i) {
      auto drawn = suite->record(i), back = read->record(i);
      expect_same(drawn, back);
      EXPECT_EQ(back.before, drawn.truth);
      for (const auto& probe : group_probes(back, Group::portability))
        text_only += !probe.image.present();
    }
    EXPECT_EQ(text_only > 0, form == std::string("vqa")) << "of creatures' facts";
    EXPECT_EQ(folder.listing(), "images scenes_eval.json ");
  }
}

TEST(ScenesSuite, FailedExportLeavesNoAnnotations) {
  TemporaryFolder folder;
  auto suite = open_suite("scenes", options());
  auto record = [&](size_t i) {
    auto one = suite->record(i);
    if (i == 3) one.before = "\xff";
    return one;
  };
  EXPECT_THROW(scenes::export_mmedit(folder.path(), 5, record, "edits"), Error);
  EXPECT_EQ(folder.listing(), "images ");
}

}  // namespace
}  // namespace emend
