#include "cli/testing/program.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A folder of the tiny model with files of its own.
class FolderSettings : public ProgramTest {
 protected:
  static std::string folder_with(const std::string& name, const std::string& file,
                                 const std::string& text) {
    std::filesystem::remove_all(path(name));
    std::filesystem::copy(path("model"), path(name));
    testing::write_text(path(name) + "/" + file, text);
    return "{}/" + name;
  }
  // Also what is only a note.
  static Result run_loud(const std::string& arguments) { return run(arguments, "EMEND_LOG= "); }
};

TEST_F(FolderSettings, OfGenerationAreAppliedAndRecorded) {
  const auto plain = run_json("ask -m {}/model -p 'What is it?' --max-new-tokens 8");
  EXPECT_FALSE(plain["generation"].contains("repetition_penalty"));
  const auto folder = folder_with("penalized", "generation_config.json",
                                  R"({"repetition_penalty": 5.0, "max_new_tokens": 3})");
  const auto asked = run_json("ask -m " + folder + " -p 'What is it?'");
  EXPECT_EQ(asked["generation"]["repetition_penalty"], 5.0);
  EXPECT_EQ(asked["generation"]["max_new_tokens"], 3);
  const auto longer = run_json("ask -m " + folder + " -p 'What is it?' --max-new-tokens 8");
  EXPECT_EQ(longer["generation"]["max_new_tokens"], 8);
  EXPECT_NE(longer["answer"], plain["answer"]);
  EXPECT_THAT(run("inspect " + folder).out, HasSubstr("\"repetition_penalty\":5.0"));
}

TEST_F(FolderSettings, OfGenerationThatAreNotImplementedAreNamed) {
  const auto folder = folder_with("beams", "generation_config.json",
                                  R"({"num_beams": 5, "do_sample": true, "temperature": 0.5})");
  const auto asked = run("ask -m " + folder + " -p 'What is it?' --max-new-tokens 2 --json", "EMEND_LOG=info");
  EXPECT_EQ(asked.code, 0);
  for (const char* name : {"num_beams", "do_sample", "temperature"}) {
    EXPECT_THAT(asked.err, HasSubstr(name));
    EXPECT_THAT(asked.out, HasSubstr(name));
  }
  EXPECT_THAT(run("inspect " + folder).out, HasSubstr("num_beams"));
}

TEST_F(FolderSettings, AnAnswerThatIsCutSaysSo) {
  const auto asked = run_json("ask -m {}/model -p 'What is it?' --max-new-tokens 1");
  EXPECT_EQ(asked["finish_reason"], "length");
  EXPECT_EQ(asked["cut"], "max_new_tokens");
  const auto loud = run("ask -m {}/model -p 'What is it?' --max-new-tokens 1", "EMEND_LOG=warn");
  EXPECT_THAT(loud.err, HasSubstr("cut after 1 tokens"));
  std::string words;
  for (int i = 0; i < 40; ++i) words += "a ";
  const auto full = run_json("ask -m {}/model --bare --max-new-tokens 400 -p '" + words + "'");
  EXPECT_EQ(full["cut"], "max_position_embeddings");
}

TEST_F(FolderSettings, AChatTemplateThatIsNotSupportedCanBeInspected) {
  const auto folder = folder_with("templated", "chat_template.jinja", "{% include 'x' %}");
  expect_refused("ask -m " + folder + " -p x", "the statement 'include'");
  const auto shown = run("inspect " + folder);
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("the statement 'include'"));
  EXPECT_THAT(run_json("inspect " + folder)["chat_template_problem"].dump(), HasSubstr("include"));
}

TEST_F(FolderSettings, AChatTemplateIsToldTheDate) {
  const auto folder = folder_with(
      "dated", "chat_template.jinja",
      "{{ strftime_now('%d %b %Y') }}: {{ messages[0]['content'] | string }} !");
  (void)folder;
}

TEST_F(FolderSettings, InspectSaysWhatAWrongFileIs) {
  expect_refused("inspect {}/picture.png", "is a PNG picture");
  expect_refused("inspect {}/model/config.json", "is JSON text");
  testing::write_text(path("notes.zip"), std::string("PK\x03\x04zip"));
  expect_refused("inspect {}/notes.zip", "is a ZIP archive");
}

}  // namespace
}  // namespace emend
