#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "io/error.h"
#include "io/json/json.h"
#include "suites/random.h"
#include "suites/scenes/consequences.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

std::vector<Probe> probes_of(const Record& record, Group group) {
  std::vector<Probe> some;
  for (const auto& probe : record.probes)
    if (probe.group == group) some.push_back(probe);
  return some;
}

Question asked(const Scene& scene, const std::string& text) {
  for (auto& q : questions(scene))
    if (q.text == text) return q;
  throw Error("test", "not asked: " + text);
}

bool follows(const std::vector<Consequence>& all, const std::string& text,
             const std::string& answer) {
  for (const auto& one : all)
    if (one.question.text == text) return one.question.answer == answer;
  return false;
}

TEST(ScenesRecords, ProbesAreWellFormed) {
  EditOptions options{3, 3, 4, 3, 4};
  for (auto split : {Split::pretrain, Split::train, Split::eval})
    for (uint64_t seed = 0; seed < 60; ++seed) {
      auto record = counterfactual(split, seed, options);
      ASSERT_FALSE(record.prompt.empty());
      EXPECT_NE(record.target, record.truth);
      EXPECT_TRUE(record.before.empty());
      ASSERT_TRUE(record.image.present());
      auto picture = record.image.load();

      auto reliability = probes_of(record, Group::reliability);
      ASSERT_EQ(reliability.size(), 1u);
      EXPECT_EQ(reliability[0].text, record.prompt);
      EXPECT_EQ(reliability[0].answer, record.target);

      std::set<std::string> texts = {record.prompt};
      auto reworded = probes_of(record, Group::text_generality);
      EXPECT_EQ(reworded.size(), 3u) << record.prompt;
      for (const auto& p : reworded) {
        EXPECT_TRUE(texts.insert(p.text).second);
        EXPECT_EQ(p.answer, record.target);
        EXPECT_EQ(p.image.load().rgb, picture.rgb);
      }
      auto redrawn = probes_of(record, Group::image_generality);
      ASSERT_EQ(redrawn.size(), 3u);
      for (const auto& p : redrawn) {
        EXPECT_EQ(p.text, record.prompt);
        EXPECT_EQ(p.answer, record.target);
        EXPECT_NE(p.image.load().rgb, picture.rgb);
      }
      EXPECT_NE(redrawn[0].image.load().rgb, redrawn[1].image.load().rgb);

      auto local_texts = probes_of(record, Group::text_locality);
      EXPECT_EQ(local_texts.size(), 4u);
      for (const auto& p : local_texts) {
        EXPECT_FALSE(p.image.present());
        EXPECT_NE(p.answer, record.target);
        EXPECT_NE(p.answer, record.truth);
        EXPECT_TRUE(texts.insert(p.text).second);
      }
      auto local_pictures = probes_of(record, Group::image_locality);
      ASSERT_EQ(local_pictures.size(), 3u);
      for (const auto& p : local_pictures) {
        EXPECT_NE(p.image.load().rgb, picture.rgb);
        EXPECT_NE(p.answer, record.target);
        EXPECT_NE(p.answer, record.truth);
      }
      std::set<std::string> consequences;
      for (const auto& p : probes_of(record, Group::portability)) {
        EXPECT_FALSE(p.answer.empty());
        EXPECT_NE(p.text, record.prompt);
        EXPECT_TRUE(consequences.insert(p.text).second);
      }
      EXPECT_LE(consequences.size(), 4u);
    }
}

TEST(ScenesRecords, DependOnlyOnTheSeed) {
  std::set<std::string> ids, edits;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    auto a = counterfactual(Split::eval, seed), b = counterfactual(Split::eval, seed);
    EXPECT_EQ(a.id, b.id);
    ASSERT_EQ(a.probes.size(), b.probes.size());
    for (size_t i = 0; i < a.probes.size(); ++i) {
      EXPECT_EQ(a.probes[i].text, b.probes[i].text);
      EXPECT_EQ(a.probes[i].answer, b.probes[i].answer);
      if (a.probes[i].image.present()) {
        EXPECT_EQ(a.probes[i].image.load().rgb, b.probes[i].image.load().rgb);
      }
    }
    EXPECT_TRUE(ids.insert(a.id).second);
    edits.insert(a.prompt + a.target + std::to_string(a.image.load().rgb[777]));
  }
  EXPECT_GT(edits.size(), 37u);
  EXPECT_NE(counterfactual(Split::eval, 1).image.load().rgb,
            counterfactual(Split::train, 1).image.load().rgb);
}

TEST(ScenesRecords, HasTheRequestedNumberOfProbes) {
  auto record = counterfactual(Split::eval, 3, {100, 40, 150, 40, 0});
  EXPECT_EQ(probes_of(record, Group::image_generality).size(), 40u);
  EXPECT_EQ(probes_of(record, Group::image_locality).size(), 40u);
  EXPECT_EQ(probes_of(record, Group::text_locality).size(), 150u);
  EXPECT_GE(probes_of(record, Group::text_generality).size(), 3u);  // all existing wordings
  EXPECT_EQ(probes_of(record, Group::portability).size(), 0u);
  std::set<std::string> pictures;
  for (const auto& p : probes_of(record, Group::image_generality)) {
    auto rgb = p.image.load().rgb;
    pictures.emplace(rgb.begin(), rgb.end());
  }
  EXPECT_EQ(pictures.size(), 40u);
}

TEST(ScenesRecords, RenamedCreatureHasItsFacts) {
  Scene scene;
  scene.creature = 4;
  scene.objects = {{0, 4, 0, 0}};
  const auto& other = creatures()[20];
  auto question = asked(scene, "Who is this?");
  auto record = make_record(scene, question, other.name, Split::eval, 1, {1, 1, 50, 30, 100});
  std::map<std::string, std::string> follow;
  for (const auto& p : probes_of(record, Group::portability)) {
    EXPECT_TRUE(p.image.present());
    follow[p.text] = p.answer;
  }
  int told = 0;
  for (int i = 0; i < kAttributes; ++i) {
    auto attribute = static_cast<Attribute>(i);
    const auto& answer = attribute_of(other, attribute);
    for (const auto& text : phrases(std::string("one_hop/") + attribute_name(attribute)).wordings) {
      if (answer == attribute_of(creatures()[4], attribute)) continue;
      EXPECT_EQ(follow[text], answer) << text;
      ++told;
    }
  }
  EXPECT_EQ(follow.size(), size_t(told));
  EXPECT_GE(told, 8);
  // Unrelated probes are not about either of the two creatures.
  for (const auto& p : record.probes) {
    if (p.group != Group::text_locality && p.group != Group::image_locality) continue;
    for (const auto& name : {creatures()[4].name, other.name}) {
      EXPECT_EQ(p.text.find(name), std::string::npos) << p.text;
      EXPECT_NE(p.answer, name);
    }
  }
}

TEST(ScenesRecords, ChangedColorHasItsConsequences) {
  Scene scene;
  scene.objects = {{3, 0, 1, 0}, {0, 4, 0, 7}};  // a red star, a blue circle
  auto question = asked(scene, "What color is the star?");
  auto all = consequences(scene, question, "blue");
  EXPECT_TRUE(follows(all, "Is the star blue?", "yes"));
  EXPECT_TRUE(follows(all, "Is the star red?", "no"));
  EXPECT_TRUE(follows(all, "Is there a blue star?", "yes"));
  EXPECT_TRUE(follows(all, "Is there a red star?", "no"));
  EXPECT_TRUE(follows(all, "Do the circle and the star have the same color?", "yes"));
  EXPECT_FALSE(follows(all, "What shape is blue?", "star")) << "the circle is blue as well";
  for (const auto& one : all) {
    EXPECT_NE(one.question.topic, question.topic);
    EXPECT_NE(one.question.kind, Kind::caption);
    EXPECT_NE(one.question.kind, Kind::size) << "sizes stay";
  }
  auto green = consequences(scene, question, "green");
  EXPECT_TRUE(follows(green, "What shape is green?", "star"));
  EXPECT_TRUE(consequences(scene, asked(scene, "How many shapes are there?"), "3").empty());
}

TEST(ScenesRecords, OtherEditsHaveTheirConsequences) {
  Scene scene;
  scene.objects = {{3, 0, 1, 0}, {0, 4, 1, 7}};
  auto moved = consequences(scene, asked(scene, "Where is the star?"), "right");
  EXPECT_TRUE(follows(moved, "What shape is at the right?", "star"));
  EXPECT_TRUE(follows(moved, "Which is further left, the circle or the star?", "circle"));
  EXPECT_TRUE(consequences(scene, asked(scene, "Where is the star?"), "bottom").empty())
      << "the circle is there";
  auto shrunk = consequences(scene, asked(scene, "What size is the star?"), "small");
  EXPECT_TRUE(follows(shrunk, "Which is larger, the circle or the star?", "circle"));
  auto became = consequences(scene, asked(scene, "What shape is red?"), "moon");
  EXPECT_TRUE(follows(became, "What color is the moon?", "red"));
  EXPECT_TRUE(consequences(scene, asked(scene, "What shape is red?"), "circle").empty());

  scene = {};
  scene.creature = 7;
  auto home = asked(scene, "Where does this creature live?");
  auto elsewhere = consequences(scene, home, "volcano");
  ASSERT_FALSE(elsewhere.empty());
  for (const auto& one : elsewhere) {
    EXPECT_FALSE(one.of_picture);
    EXPECT_EQ(one.question.answer, "volcano");
    EXPECT_NE(one.question.text.find(creatures()[7].name), std::string::npos);
  }
}

TEST(ScenesRecords, TextEditsHaveNoPicture) {
  Scene scene;
  scene.creature = 0;
  for (const auto& fact : facts(Split::eval)) {
    if (fact.topic != "fact/" + creatures()[0].name + "/home") continue;
    auto record = make_record(scene, fact, "moonbase", Split::eval, 1, {9, 1, 3, 2, 3});
    EXPECT_FALSE(record.image.present());
    EXPECT_EQ(probes_of(record, Group::text_generality).size(), 4u);
    EXPECT_TRUE(probes_of(record, Group::image_generality).empty());
    ASSERT_EQ(probes_of(record, Group::portability).size(), 3u);
    for (const auto& p : probes_of(record, Group::portability)) {
      EXPECT_TRUE(p.image.present());
      EXPECT_EQ(p.answer, "moonbase");
    }
    EXPECT_THROW(export_mmedit(testing::TempDir() + "/textual", {record}, "x"), Error);
    EXPECT_FALSE(std::filesystem::exists(testing::TempDir() + "/textual/x.json"));
  }
  EXPECT_THROW(make_record(scene, facts(Split::eval)[0], "", Split::eval, 1), Error);
}

TEST(ScenesExport, IsReadableAndConsistent) {
  auto directory = testing::TempDir() + "/scenes_export";
  std::filesystem::remove_all(directory);
  std::vector<Record> records;
  for (uint64_t seed = 0; seed < 12; ++seed) records.push_back(counterfactual(Split::eval, seed));
  records[1].before = "what the model said";
  Scene scene;
  scene.creature = 9;
  const auto& renamed = creatures()[30];
  records.push_back(make_record(scene, asked(scene, "Who is this?"), renamed.name, Split::eval, 5,
                                {1, 1, 1, 1, 2}));
  export_mmedit(directory, records, "scenes_eval");

  auto rows = read_json(directory + "/scenes_eval.json");
  ASSERT_EQ(rows.size(), records.size());
  std::set<std::string> files;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    const auto& record = records[i];
    EXPECT_EQ(row.at("src"), record.prompt);
    EXPECT_EQ(row.at("alt"), record.target);
    EXPECT_EQ(row.at("pred"), i == 1 ? "what the model said" : record.truth);
    EXPECT_EQ(row.at("rephrase"), probes_of(record, Group::text_generality)[0].text);
    EXPECT_EQ(row.at("loc"), probes_of(record, Group::text_locality)[0].text);
    EXPECT_EQ(row.at("loc_ans"), probes_of(record, Group::text_locality)[0].answer);
    EXPECT_EQ(row.at("m_loc_q"), probes_of(record, Group::image_locality)[0].text);
    EXPECT_EQ(row.at("m_loc_a"), probes_of(record, Group::image_locality)[0].answer);
    for (const char* key : {"src", "rephrase", "pred", "alt", "image", "image_rephrase", "loc",
                            "loc_ans", "m_loc", "m_loc_q", "m_loc_a"})
      EXPECT_FALSE(row.at(key).get<std::string>().empty()) << key;
    for (const char* key : {"image", "image_rephrase", "m_loc"}) {
      auto path = row.at(key).get<std::string>();
      EXPECT_TRUE(files.insert(path).second);
      EXPECT_EQ(read_image(directory + "/" + path).width, 224);
    }
    EXPECT_EQ(read_image(directory + "/" + row.at("image").get<std::string>()).rgb,
              record.image.load().rgb);
  }
  auto follows = rows.back().at("port_new");
  ASSERT_EQ(follows.size(), 2u);
  for (const auto& one : follows) {
    EXPECT_NE(one.at("port_edit_q").get<std::string>().find(renamed.name), std::string::npos);
    EXPECT_EQ(one.at("port_edit_a"), one.at("port_a"));
    EXPECT_EQ(one.at("port_q").get<std::string>().find(renamed.name), std::string::npos);
  }
  std::filesystem::remove_all(directory);
  EXPECT_THROW(export_mmedit(directory, records, "a/b"), Error);
  EXPECT_THROW(export_mmedit("/proc/nowhere", records, "a"), Error);
}

}  // namespace
}  // namespace emend::scenes
