#include "evaluation/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "evaluation/grid.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

TEST(ProtocolTest, PromptsAreWrappedAsTheFieldDoes) {
  Protocol protocol;
  Record question = {"", {}, "What is it?", "", "cat", {}};
  Record caption = {"", {}, "a photo of", "", "a cat", {}};
  EXPECT_EQ(edit_prompt(protocol, question), "Question: What is it? Short answer:");
  EXPECT_EQ(edit_prompt(protocol, caption), "a photo of");
  auto asked = [&](const Record& record, Group group, const char* text) {
    return probe_prompt(protocol, record, {group, {}, text, ""});
  };
  EXPECT_EQ(asked(question, Group::text_generality, "What?"), "Question: What? Short answer:");
  EXPECT_EQ(asked(caption, Group::text_generality, "describe it"), "describe it");
  EXPECT_EQ(asked(caption, Group::image_locality, "Who?"), "Question: Who? Short answer:");
  EXPECT_EQ(asked(caption, Group::portability, "Who?"), "Question: Who? Short answer:");
  EXPECT_EQ(asked(question, Group::text_locality, "nq question: who"), "nq question: who");
  EXPECT_EQ(continuation("cat"), " cat");
  EXPECT_EQ(continuation(" cat"), " cat");
  EXPECT_THROW(fill_template("Question:", "x"), Error);
}

struct Prompts {
  std::string question, caption, image_locality;
};

Prompts prompts_of(const Protocol& protocol) {
  Record question = {"", {}, "What is it?", "", "cat", {}};
  Record caption = {"", {}, "a photo of", "", "a cat", {}};
  return {edit_prompt(protocol, question), edit_prompt(protocol, caption),
          probe_prompt(protocol, caption, {Group::image_locality, {}, "Who?", ""})};
}

TEST(ProtocolTest, TheFieldsThreeAsSpecified) {
  auto p = make_protocol("mmedit-2024");
  EXPECT_EQ(to_json(p), to_json(Protocol()));
  EXPECT_EQ(prompts_of(p).question, "Question: What is it? Short answer:");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Question: Who? Short answer:");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::equal_lengths);
  EXPECT_EQ(p.ranking, Ranking::softmax_float16);

  p = make_protocol("easyedit-trainer");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Question: Who? Short answer:");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(p.ranking, Ranking::softmax_float16);

  p = make_protocol("easyedit-editor");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Who?");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::token_accuracy);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(p.ranking, Ranking::logits_float32);

  for (const auto& name : protocol_names()) {
    p = make_protocol(name);
    EXPECT_EQ(p.name, name);
    EXPECT_EQ(p.text_k, 1);
    EXPECT_EQ(p.image_k, 10);
    EXPECT_EQ(p.judged == Protocol::Judged::generated, name == "strict");
  }
}

TEST(ProtocolTest, AnUnknownNameIsToldTheKnownOnes) {
  try {
    make_protocol("mmedit");
    FAIL();
  } catch (const Error& error) {
    for (const auto& name : protocol_names()) EXPECT_THAT(error.what(), ::testing::HasSubstr(name));
  }
}

TEST(ProtocolTest, TheFieldJudgesIkeOtherwise) {
  auto p = for_editor(make_protocol("mmedit-2024"), "ike");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).image_locality, "Who?");
  EXPECT_EQ(p.ranking, Ranking::softmax_float32);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.name, "mmedit-2024");
  EXPECT_EQ(to_json(p)["exception_for"], "ike");

  p = for_editor(make_protocol("easyedit-editor"), "ike");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(to_json(p)["exception_for"], "ike");

  for (const std::string name : {"easyedit-trainer", "strict"})
    EXPECT_EQ(to_json(for_editor(make_protocol(name), "ike")), to_json(make_protocol(name)));
  for (const auto& name : protocol_names())
    EXPECT_EQ(to_json(for_editor(make_protocol(name), "ft")), to_json(make_protocol(name)));
}

TEST(ProtocolTest, WhatIsToBeGoneOnWithIsAskedBare) {
  struct Sentences : Suite {
    explicit Sentences(bool begun) : begun(begun) {}
    size_t size() const override { return 1; }
    Record record(size_t) const override { return {}; }
    nlohmann::json facts() const override { return {}; }
    bool completions() const override { return begun; }
    bool begun;
  };
  const Record record = {"", {}, "Rome lies in", "", "Spain", {}};
  const auto strict = make_protocol("strict");
  EXPECT_EQ(to_json(for_suite(strict, Sentences(false))), to_json(strict));
  const auto own = for_suite(strict, Sentences(true));
  EXPECT_EQ(edit_prompt(own, record), "Rome lies in");
  EXPECT_EQ(probe_prompt(own, record, {Group::text_generality, {}, "Rome is in", ""}),
            "Rome is in");
  EXPECT_EQ(to_json(own)["answers_go_on"], true);
  EXPECT_THAT(to_json(own)["compared"].get<std::string>(),
              ::testing::StartsWith("beginning of the answer"));
  EXPECT_FALSE(to_json(strict).contains("answers_go_on"));
}

TEST(ProtocolTest, AResultSaysEverything) {
  auto json = to_json(make_protocol("easyedit-editor"));
  EXPECT_EQ(json["judged"], "forced");
  EXPECT_EQ(json["accuracy"], "token_accuracy");
  EXPECT_EQ(json["ranked_on"], "logits_float32");
  EXPECT_EQ(json["ties"], "lowest_token_id");
  EXPECT_EQ(json["alignment"], "last_positions");
  EXPECT_EQ(json["question_template"], "{}");
  EXPECT_EQ(json["answers"], "generated");
  EXPECT_EQ(json["max_new_tokens"], 32);
  auto cheap = make_protocol("easyedit-editor");
  cheap.generate_answers = false;
  EXPECT_EQ(to_json(cheap)["answers"], "best_tokens_while_forced");
  // Nothing of teacher forcing where there is none.
  json = to_json(make_protocol("strict"));
  EXPECT_EQ(json["judged"], "generated");
  for (const char* key : {"accuracy", "ranked_on", "text_k", "image_k", "alignment"})
    EXPECT_FALSE(json.contains(key)) << key;
  std::set<std::string> different;
  for (const auto& name : protocol_names()) different.insert(to_json(make_protocol(name)).dump());
  EXPECT_EQ(different.size(), protocol_names().size());
}

TEST(GridTest, EveryGroupHasItsCellAndEveryCellItsGroup) {
  std::set<std::pair<std::string, std::string>> filled;
  for (auto group : groups())
    for (bool similar : {false, true}) {
      auto place = place_of(group, similar);
      if (group == Group::portability) {
        EXPECT_EQ(place, Place());
        continue;
      }
      filled.insert({place.text, place.image});
      EXPECT_THAT(grid_texts(), ::testing::Contains(place.text));
      EXPECT_THAT(grid_images(), ::testing::Contains(place.image));
      // What may change is about the edit's text and picture, or views of these.
      bool about = place.text != "unrelated" && place.image != "unrelated" && place.image != "none";
      EXPECT_EQ(about, !is_locality(group));
    }
  EXPECT_EQ(filled.size(), grid_texts().size() * grid_images().size());
}

TEST(GridTest, DrawnPicturesAreNamedByContent) {
  auto one = testing::noise_image(1), same = testing::noise_image(1),
       other = testing::noise_image(2);
  EXPECT_EQ(picture_name({}), "");
  EXPECT_EQ(picture_name({"a/b.png", one}), "a/b.png");
  EXPECT_EQ(picture_name({"", one}), picture_name({"", same}));
  EXPECT_NE(picture_name({"", one}), picture_name({"", other}));
  EXPECT_THAT(picture_name({"", one}), ::testing::MatchesRegex("pictures/[0-9a-f]{32}[.]png"));
  Image turned = *one;
  turned.width *= 2;
  turned.height /= 2;
  EXPECT_NE(picture_hash(turned), picture_hash(*one));
}

}  // namespace
}  // namespace emend
