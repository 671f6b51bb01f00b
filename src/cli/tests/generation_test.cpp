#include "cli/testing/program.h"
#include "tests/tiny_llava.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Copies of the tiny model with additional files.
class FolderSettings : public ProgramTest {
 protected:
  static std::string folder_with(const std::string& name, const std::string& file,
                                 const std::string& text) {
    std::filesystem::remove_all(path(name));
    std::filesystem::copy(path("model"), path(name));
    testing::write_text(path(name) + "/" + file, text);
    return "{}/" + name;
  }
  static std::string folder_of_llava(const std::string& name, const std::string& chat_template) {
    testing::write_tiny_llava(path(name));
    testing::write_text(path(name) + "/chat_template.jinja", chat_template);
    return "{}/" + name;
  }
  // Returns stderr of a run that logs notes, too.
  static std::string notes(const std::string& arguments) {
    const auto command = std::string("OMP_NUM_THREADS=1 EMEND_LOG=info ") + EMEND_PROGRAM + " " +
                         arguments + " >" + path("out") + " 2>" + path("err");
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read_file(path("err"));
  }
};

TEST_F(FolderSettings, GenerationConfigIsAppliedAndRecorded) {
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

TEST_F(FolderSettings, UnsupportedGenerationSettingsAreReported) {
  const auto folder = folder_with("beams", "generation_config.json",
                                  R"({"num_beams": 5, "do_sample": true, "temperature": 0.5})");
  const auto said =
      notes("ask -m " + path("beams") + " -p 'What is it?' --max-new-tokens 2 --json");
  const auto asked = read_file(path("out"));
  for (const char* name : {"num_beams", "do_sample", "temperature"}) {
    EXPECT_THAT(said, HasSubstr(name));
    EXPECT_THAT(asked, HasSubstr(name));
  }
  EXPECT_THAT(run("inspect " + folder).out, HasSubstr("num_beams"));
}

TEST_F(FolderSettings, TruncatedAnswersAreReported) {
  const auto asked = run_json("ask -m {}/model -p 'What is it?' --max-new-tokens 1");
  EXPECT_EQ(asked["finish_reason"], "length");
  EXPECT_EQ(asked["truncated_by"], "max_new_tokens");
  EXPECT_THAT(notes("ask -m " + path("model") + " -p 'What is it?' --max-new-tokens 1"),
              HasSubstr("truncated after 1 tokens"));
  std::string words;
  for (int i = 0; i < 248; ++i) words += "a ";  // one token for each letter and for each space
  const std::string full = "--bare --max-new-tokens 400 -p '" + words + "'";
  EXPECT_EQ(run_json("ask -m {}/model " + full)["truncated_by"], "max_position_embeddings");
  EXPECT_THAT(notes("ask -m " + path("model") + " " + full),
              HasSubstr("the model has 512 positions (max_position_embeddings)"));
}

TEST_F(FolderSettings, InspectShowsAnUnsupportedChatTemplate) {
  const auto folder = folder_of_llava("included", "{% include 'x' %}");
  expect_refused("ask -m " + folder + " -p x", "the statement 'include'");
  const auto shown = run("inspect " + folder);
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("the statement 'include'"));
  EXPECT_THAT(run_json("inspect " + folder)["chat_template_problem"].dump(), HasSubstr("include"));
}

TEST_F(FolderSettings, ChatTemplateReceivesTheDate) {
  const auto folder =
      folder_of_llava("dated",
                      "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}: "
                      "{% for part in messages[0]['content'] %}{{ part.text }}{% endfor %} ?");
  const std::string ask = "ask -m " + folder + " -p Who --max-new-tokens 2 ";
  const auto asked = run_json(ask + "--date 2024-07-06");
  EXPECT_EQ(asked["formatted_prompt"], "06 Jul 2024: Who ?");
  EXPECT_EQ(asked["date"], "2024-07-06");
  EXPECT_THAT(run_json(ask)["formatted_prompt"].dump(), HasSubstr(": Who ?"));
  expect_refused(ask + "--date 2024-02-30",
                 "--date must be a date such as 2024-07-26, not '2024-02-30'");
  // Also for a model without a chat template.
  for (const char* date : {"2024-02-30", "today", "24-07-06x", "2024/07/06", "''"})
    expect_refused(std::string("ask -m {}/model -p Who --date ") + date, "--date must be a date");
  EXPECT_EQ(run("ask -m {}/model -p Who --max-new-tokens 1 --date 2024-02-29").code, 0);
}

TEST_F(FolderSettings, InspectNamesTheKindOfAWrongFile) {
  expect_refused("inspect {}/picture.png", "is a PNG picture");
  expect_refused("inspect {}/model/config.json", "is JSON text");
  testing::write_text(path("notes.zip"), "PK\x03\x04zip");
  expect_refused("inspect {}/notes.zip", "is a ZIP archive");
  EXPECT_THAT(run("ask -v -m {}/model -p x --image {}/notes.zip").err,
              HasSubstr("emend: [io::image]"));
}

}  // namespace
}  // namespace emend
