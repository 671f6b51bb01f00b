#include "evaluation/protocol/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "evaluation/measuring/grid.h"
#include "io/error.h"
#include "io/json/json.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

TEST(ProtocolTest, BuildsPromptsAsEasyEdit) {
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
  EXPECT_THROW(fill_template("Question:", "x"), Error);
}

TEST(ProtocolTest, ProtocolSetsTheSpaceBeforeAnAnswer) {
  const std::vector<std::string> answers = {"cat", " cat", "\ncat", ""};
  const auto spaced = [&](const char* name) {
    std::vector<std::string> all;
    for (const auto& answer : answers) all.push_back(continuation(make_protocol(name), answer));
    return all;
  };
  const std::vector<std::string> added = {" cat", "  cat", " \ncat", " "};
  EXPECT_EQ(spaced("mmedit-2024"), added);
  EXPECT_EQ(spaced("easyedit-trainer"), added);
  EXPECT_EQ(spaced("easyedit-editor"), (std::vector<std::string>{" cat", " cat", " \ncat", " "}));
  EXPECT_EQ(spaced("strict"), (std::vector<std::string>{" cat", " cat", "\ncat", ""}));
}

// BLIP-2 folders whose config.json requires BOS or does not.
class BosTest : public ::testing::Test {
 protected:
  Vlm open(bool required) {
    const auto path = folder_ / "model";
    std::filesystem::remove_all(path);
    testing::write_tiny_vlm(path);
    auto config = read_json(path + "/config.json");
    if (required) config["text_requires_bos"] = true;
    write_json(path + "/config.json", config);
    return load_vlm(path);
  }
  static std::vector<int64_t> text_of(const Vlm& vlm) {
    auto ids = vlm.processor.row("What?", 0).ids;
    ids.erase(ids.begin(), ids.begin() + vlm.processor.layout.num_image_tokens);
    return ids;
  }
  TemporaryFolder folder_;
};

TEST_F(BosTest, OnlyStrictUsesBos) {
  auto vlm = open(false);
  const auto plain = vlm.processor.tokenizer->encode("What?", /*special=*/false);
  const auto released = vlm.processor.tokenizer->encode("What?", /*special=*/true);
  ASSERT_NE(plain, released);
  EXPECT_EQ(text_of(vlm), released);
  for (const auto& name : protocol_names()) {
    const auto protocol = make_protocol(name);
    set_bos(vlm, protocol);
    const bool strict = name == "strict";
    EXPECT_EQ(text_of(vlm), strict ? released : plain) << name;
    EXPECT_EQ(vlm.processor.row("What?").ids, strict ? released : plain) << name;
    const auto bos = to_json(protocol, vlm)["bos"];
    EXPECT_EQ(bos["requested"], strict ? "model" : "none");
    EXPECT_EQ(bos["used"], strict ? "present" : "absent");
    EXPECT_FALSE(bos.contains("reason"));
  }
}

TEST_F(BosTest, RequiredBosIsKeptUnlessTheUserSaysNever) {
  auto vlm = open(true);
  const auto fingerprint = vlm.fingerprint();
  const auto released = text_of(vlm);
  for (const auto& name : protocol_names()) {
    const auto protocol = make_protocol(name);
    set_bos(vlm, protocol);
    EXPECT_EQ(text_of(vlm), released) << name;
    EXPECT_EQ(to_json(protocol, vlm)["bos"]["used"], "present");
  }
  const auto bos = to_json(make_protocol("mmedit-2024"), vlm)["bos"];
  EXPECT_THAT(bos["reason"].get<std::string>(), ::testing::HasSubstr("text_requires_bos"));
  auto protocol = make_protocol("mmedit-2024");
  protocol.bos = Protocol::Bos::never;
  set_bos(vlm, protocol);
  EXPECT_EQ(text_of(vlm), vlm.processor.tokenizer->encode("What?", /*special=*/false));
  EXPECT_EQ(to_json(protocol, vlm)["bos"],
            nlohmann::json({{"requested", "never"}, {"used", "absent"}}));
  protocol.bos = Protocol::Bos::always;
  set_bos(vlm, protocol);
  EXPECT_EQ(text_of(vlm), released);
  // The setting does not change the fingerprint.
  EXPECT_EQ(open(false).fingerprint(), fingerprint);
}

TEST_F(BosTest, BundledModelRequiresBos) {
  auto vlm = load_vlm(EMEND_SOURCE_DIR "/models/scenes-blip2");
  EXPECT_TRUE(vlm.processor.layout.requires_bos);
  set_bos(vlm, make_protocol("mmedit-2024"));
  EXPECT_EQ(to_json(make_protocol("mmedit-2024"), vlm)["bos"]["used"], "present");
  EXPECT_EQ(vlm.fingerprint(), "07536ae8a7c35acd9f4c70bcd0defcfb");
}

TEST_F(BosTest, RanksInTheStoredDtypeOfTheModel) {
  auto vlm = open(false);
  const auto used = [&](const Protocol& protocol) {
    return to_json(protocol, vlm)["ranking_dtype"]["used"];
  };
  auto protocol = make_protocol("mmedit-2024");
  EXPECT_EQ(used(protocol), "float32");
  vlm.stored_dtype = at::kHalf;
  EXPECT_EQ(used(protocol), "float16");
  EXPECT_EQ(ranking_of(protocol, vlm).dtype, at::kHalf);
  EXPECT_EQ(used(make_protocol("easyedit-editor")), "float32");
  protocol.ranking_dtype = at::kBFloat16;
  EXPECT_EQ(used(protocol), "bfloat16");
  EXPECT_FALSE(to_json(make_protocol("strict"), vlm).contains("ranking_dtype"));
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

TEST(ProtocolTest, EasyEditProtocolsAsSpecified) {
  auto p = make_protocol("mmedit-2024");
  EXPECT_EQ(to_json(p), to_json(Protocol()));
  EXPECT_EQ(prompts_of(p).question, "Question: What is it? Short answer:");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Question: Who? Short answer:");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::equal_lengths);
  EXPECT_EQ(p.ranked_on, Ranking::On::softmax);
  EXPECT_FALSE(p.ranking_dtype.has_value());
  EXPECT_EQ(p.bos, Protocol::Bos::none);

  p = make_protocol("easyedit-trainer");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Question: Who? Short answer:");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::equal_lengths);
  EXPECT_EQ(p.ranked_on, Ranking::On::softmax);
  EXPECT_FALSE(p.ranking_dtype.has_value());
  EXPECT_EQ(p.bos, Protocol::Bos::none);

  p = make_protocol("easyedit-editor");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).caption, "a photo of");
  EXPECT_EQ(prompts_of(p).image_locality, "Who?");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::token_accuracy);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(p.ranked_on, Ranking::On::logits);
  EXPECT_EQ(p.ranking_dtype, at::kFloat);
  EXPECT_EQ(p.bos, Protocol::Bos::none);
  EXPECT_EQ(make_protocol("strict").bos, Protocol::Bos::model);

  for (const auto& name : protocol_names()) {
    p = make_protocol(name);
    EXPECT_EQ(p.name, name);
    EXPECT_EQ(p.text_k, 1);
    EXPECT_EQ(p.image_k, 10);
    EXPECT_EQ(p.judged == Protocol::Judged::generated, name == "strict");
  }
}

TEST(ProtocolTest, ErrorListsTheProtocols) {
  try {
    make_protocol("mmedit");
    FAIL();
  } catch (const Error& error) {
    for (const auto& name : protocol_names()) EXPECT_THAT(error.what(), ::testing::HasSubstr(name));
  }
}

TEST(ProtocolTest, IkeHasAnException) {
  auto p = for_editor(make_protocol("mmedit-2024"), "ike");
  EXPECT_EQ(prompts_of(p).question, "What is it?");
  EXPECT_EQ(prompts_of(p).image_locality, "Who?");
  EXPECT_EQ(p.ranked_on, Ranking::On::softmax);
  EXPECT_EQ(p.ranking_dtype, at::kFloat);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.name, "mmedit-2024");
  EXPECT_EQ(to_json(p)["exception_for"], "ike");

  p = for_editor(make_protocol("easyedit-editor"), "ike");
  EXPECT_EQ(p.accuracy, Protocol::Accuracy::exact_match);
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(to_json(p)["exception_for"], "ike");

  // EasyEdit's trainer has no IKE, and equal lengths are impossible for longer requests.
  p = for_editor(make_protocol("easyedit-trainer"), "ike");
  EXPECT_EQ(p.alignment, Protocol::Alignment::last_positions);
  EXPECT_EQ(to_json(p)["exception_for"], "ike");
  p.alignment = Protocol::Alignment::equal_lengths;
  p.exception_for.clear();
  EXPECT_EQ(to_json(p), to_json(make_protocol("easyedit-trainer")));

  EXPECT_EQ(to_json(for_editor(make_protocol("strict"), "ike")), to_json(make_protocol("strict")));
  for (const auto& name : protocol_names())
    EXPECT_EQ(to_json(for_editor(make_protocol(name), "ft")), to_json(make_protocol(name)));
}

TEST(ProtocolTest, CompletionPromptsGetNoTemplate) {
  struct Sentences : Suite {
    explicit Sentences(bool begun) : begun(begun) {}
    size_t size() const override { return 1; }
    Record record(size_t) const override { return {}; }
    nlohmann::json metadata() const override { return {}; }
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

TEST(ProtocolTest, ResultsContainEveryChoice) {
  auto json = to_json(make_protocol("easyedit-editor"));
  EXPECT_EQ(json["judged"], "forced");
  EXPECT_EQ(json["accuracy"], "token_accuracy");
  EXPECT_EQ(json["ranked_on"], "logits");
  EXPECT_EQ(json["ranking_dtype"], nlohmann::json({{"requested", "float32"}}));
  EXPECT_EQ(json["bos"], nlohmann::json({{"requested", "none"}}));
  EXPECT_EQ(json["answer_space"], "unless_it_begins_with_a_space");
  EXPECT_EQ(to_json(make_protocol("mmedit-2024"))["ranking_dtype"]["requested"], "auto");
  EXPECT_EQ(json["ties"], "lowest_token_id");
  EXPECT_EQ(json["alignment"], "last_positions");
  EXPECT_EQ(json["question_template"], "{}");
  EXPECT_EQ(json["answers"], "generated");
  EXPECT_EQ(json["max_new_tokens"], 32);
  auto cheap = make_protocol("easyedit-editor");
  cheap.generate_answers = false;
  EXPECT_EQ(to_json(cheap)["answers"], "best_tokens_while_forced");
  // Fields of teacher forcing are absent without teacher forcing.
  json = to_json(make_protocol("strict"));
  EXPECT_EQ(json["judged"], "generated");
  for (const char* key :
       {"accuracy", "ranked_on", "ranking_dtype", "text_k", "image_k", "alignment"})
    EXPECT_FALSE(json.contains(key)) << key;
  std::set<std::string> different;
  for (const auto& name : protocol_names()) different.insert(to_json(make_protocol(name)).dump());
  EXPECT_EQ(different.size(), protocol_names().size());
}

TEST(GridTest, GroupsAndCellsCorrespond) {
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
      // Answers change only in cells with an edited or similar text and picture.
      bool about = place.text != "unrelated" && place.image != "unrelated" && place.image != "none";
      EXPECT_EQ(about, !is_locality(group));
    }
  EXPECT_EQ(filled.size(), grid_texts().size() * grid_images().size());
}

TEST(GridTest, GeneratedPicturesAreNamedByContent) {
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
