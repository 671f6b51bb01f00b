// Runs `emend edit` as a user does.
#include <map>
#include <sstream>

#include "cli/testing/program.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class EditProgramTest : public ProgramTest {
 protected:
  // An edit that cannot hold, and an edit that holds.
  static constexpr const char* kWeak =
      "edit -m {}/model --image {}/picture.png -p 'What is this?' --target cat --probes 1 "
      "--set steps=1 --set lr=1e-6 -o {}/weak.patch";
  static constexpr const char* kText = "edit -m {}/model --probes 1 --set lr=0.02 --set steps=200 ";
};

TEST_F(EditProgramTest, ReportsAnEditThatDoesNotHoldFirst) {
  const auto failed = run(kWeak);
  EXPECT_EQ(failed.code, 3);
  EXPECT_THAT(failed.out, StartsWith("The edit does not hold: the model answers \""));
  EXPECT_THAT(failed.out, AllOf(HasSubstr("not \"cat\""), HasSubstr("reason "), HasSubstr("loss "),
                                HasSubstr("token 1: expected"), HasSubstr("--set steps=50"),
                                HasSubstr("--module connector"), HasSubstr("--editor lora"),
                                HasSubstr("written anyway"), HasSubstr("Reliability")));
  EXPECT_TRUE(std::filesystem::exists(path("weak.patch")));
  EXPECT_EQ(run(std::string(kWeak) + " --allow-failed").code, 0);

  const auto json = run(std::string(kWeak) + " --json");
  EXPECT_EQ(json.code, 3);
  const auto result = nlohmann::json::parse(json.out);
  EXPECT_EQ(result["holds"], false);
  const auto& failure = result["failure"];
  EXPECT_EQ(failure["answer"], result["after"]);
  for (const char* key : {"reason", "loss_before", "loss_after", "steps"})
    EXPECT_TRUE(failure.contains(key)) << key;
  EXPECT_FALSE(failure["try"].empty());
  ASSERT_FALSE(failure["failed_tokens"].empty());
  EXPECT_EQ(failure["failed_tokens"][0]["position"], 0);
  EXPECT_NE(failure["failed_tokens"][0]["expected"], failure["failed_tokens"][0]["predicted"]);

  const auto held = run_json(std::string(kEdit) + "-o {}/held.patch");
  EXPECT_EQ(held["holds"], true);
  EXPECT_FALSE(held.contains("failure"));
}

// An editor that optimizes nothing has no loss before the edit.
TEST_F(EditProgramTest, ReportsEditorsWithoutALossCurve) {
  const std::string command = "edit -m " EMEND_SOURCE_DIR
                              "/models/scenes-blip2 --image {}/picture.png -p 'What is this?' "
                              "--target cat --editor liveedit --probes 1 -o {}/expert.patch";
  const auto failed = run(command);
  EXPECT_EQ(failed.code, 3) << failed.err;
  EXPECT_THAT(failed.out, AllOf(HasSubstr("The edit does not hold"), HasSubstr("1 entry stored"),
                                Not(HasSubstr("  loss "))));
}

// The options of a command, without those that a suggestion says to leave out, and with the one
// that it adds.
std::string followed(std::vector<std::string> options, const std::string& suggestion) {
  const auto note = suggestion.find("   (");
  const auto notes = note == std::string::npos ? "" : suggestion.substr(note);
  for (const std::string name : {"--set", "--module", "--sites", "--hparams"})
    if (notes.find("without " + name) != std::string::npos ||
        notes.find("instead of " + name) != std::string::npos)
      std::erase_if(options, [&](const auto& option) { return option.starts_with(name + " "); });
  // An editor replaces the editor of the command.
  if (suggestion.starts_with("--editor "))
    std::erase_if(options, [](const auto& option) { return option.starts_with("--editor "); });
  std::string command = "edit --probes 1 -o {}/tried.patch";
  for (const auto& option : options) command += " " + option;
  return command + " " + suggestion.substr(0, note);
}

class SuggestionsTest : public EditProgramTest {
 protected:
  // Makes an edit that does not hold, and follows each suggestion.
  static std::vector<std::string> suggested(const std::vector<std::string>& options) {
    std::string command = "edit --probes 1 --allow-failed -o {}/tried.patch";
    for (const auto& option : options) command += " " + option;
    SCOPED_TRACE(command);
    const auto result = run_json(command);
    EXPECT_EQ(result["holds"], false);
    auto all = result["failure"]["try"].get<std::vector<std::string>>();
    for (const auto& suggestion : all) {
      const auto tried = run(followed(options, suggestion));
      EXPECT_TRUE(tried.code == 0 || tried.code == 3) << suggestion << ": " << tried.err;
    }
    return all;
  }
  static std::string joined(const std::vector<std::string>& lines) {
    std::string all;
    for (const auto& line : lines) all += line + "\n";
    return all;
  }
};

TEST_F(SuggestionsTest, DependOnTheQuestion) {
  const std::vector<std::string> text = {"-m {}/model", "-p 'What?'", "--target cat",
                                         "--set steps=1", "--set lr=1e-6"};
  const auto about_text = joined(suggested(text));
  EXPECT_THAT(about_text, AllOf(HasSubstr("--set steps=50\n"), HasSubstr("--set lr=4e-06\n"),
                                HasSubstr("--set adaptive=true"), HasSubstr("--editor lora\n")));
  EXPECT_THAT(about_text, Not(AnyOf(HasSubstr("connector"), HasSubstr("mend"))));
  auto seen = text;
  seen.push_back("--image {}/picture.png");
  EXPECT_THAT(joined(suggested(seen)), HasSubstr("--module connector\n"));
  seen.push_back("--editor ft:connector");
  EXPECT_THAT(joined(suggested(seen)), HasSubstr("--editor ft:language\n"));
}

TEST_F(SuggestionsTest, OfClosedFormEditorsAreTheirSettings) {
  const auto all =
      joined(suggested({"-m {}/model", "--image {}/picture.png", "-p 'What is this?'",
                        "--target cat", "--editor memit", "--set statistics=none", "--set steps=1",
                        "--set adaptive=false", "--set lr=1", "--set update_weight=1e9",
                        "--set clamp_norm_factor=1e-6", "--set altered_pictures=1"}));
  EXPECT_THAT(all, AllOf(HasSubstr("--set clamp_norm_factor=2e-06"), HasSubstr("--set steps=50\n"),
                         HasSubstr("--set update_weight=1e+08"), HasSubstr("--set keys=contexts")));
  EXPECT_THAT(all, Not(AnyOf(HasSubstr("--set lr="), HasSubstr("adaptive=true"))));
}

TEST_F(SuggestionsTest, DependOnTheOtherOptions) {
  testing::write_text(path("weak.yaml"),
                      "alg_name: FT\nmodel_name: x\nlayers: [2]\nnum_steps: 1\nlr: 1e-7\n"
                      "rewrite_module_tmp: decoder.layers.{}.fc2.weight\n");
  const std::vector<std::string> common = {"-m {}/model", "--image {}/picture.png", "-p 'What?'",
                                           "--target cat"};
  auto hparams = common;
  hparams.push_back("--hparams {}/weak.yaml");
  const auto all = joined(suggested(hparams));
  EXPECT_THAT(all, AllOf(HasSubstr("--set steps=50\n"),
                         HasSubstr("--editor lora   (instead of --hparams)")));
  EXPECT_THAT(all, Not(HasSubstr("--module")));
  auto bounded = common;
  for (const char* option : {"--set steps=1", "--set lr=1e-6", "--set norm_constraint=1"})
    bounded.push_back(option);
  EXPECT_THAT(joined(suggested(bounded)), HasSubstr("--editor lora   (without --set)"));
  auto sites = common;
  for (const char* option : {"--sites '*.layers.2.fc2'", "--set steps=1", "--set lr=1e-6"})
    sites.push_back(option);
  EXPECT_THAT(joined(suggested(sites)), Not(HasSubstr("--module")));
  std::filesystem::remove(path("weak.yaml"));
}

TEST_F(SuggestionsTest, DependOnTheCheckpoints) {
  std::filesystem::copy(path("model"), path("trained"));
  std::filesystem::create_directory(path("trained/editors"));
  for (const std::string editor : {"ke", "mend-iterated"})
    ASSERT_EQ(run("train -m {}/model --set validation=1 --steps 1 --editor " + editor +
                  " -o {}/trained/editors/" + editor + "-language.safetensors")
                  .code,
              0);
  const std::vector<std::string> options = {"-m {}/trained", "--image {}/picture.png", "-p 'What?'",
                                            "--target cat", "--editor ke"};
  const auto all = joined(suggested(options));
  EXPECT_THAT(all, AllOf(HasSubstr("--editor lora\n"), HasSubstr("--editor ft\n"),
                         HasSubstr("--editor mend-iterated\n")));
  EXPECT_THAT(all, Not(HasSubstr("--module")));  // no checkpoint for the connector
  std::filesystem::remove_all(path("trained"));
}

TEST_F(SuggestionsTest, DependOnEarlierPatches) {
  ASSERT_EQ(run("edit -m {}/model --probes 1 -p 'Who?' --target dog --editor ike --set k=0 "
                "--allow-failed -o {}/told.patch")
                .code,
            0);
  const auto all = joined(suggested({"-m {}/model", "-p 'What?'", "--target cat", "--editor ike",
                                     "--set k=0", "--patch {}/told.patch"}));
  EXPECT_THAT(all, Not(HasSubstr("--editor")));  // weights cannot be edited on top of it
}

TEST_F(EditProgramTest, EmptyEditWritesNoPatch) {
  const auto failed = run(std::string(kWeak) + " --set steps=0");
  EXPECT_EQ(failed.code, 3) << failed.err;
  EXPECT_THAT(failed.out, HasSubstr("not written, because nothing was changed"));
  EXPECT_FALSE(std::filesystem::exists(path("weak.patch")));
}

TEST_F(EditProgramTest, ShowsProgressWhileTheModelLoads) {
  const auto result = run(std::string(kWeak), "export EMEND_LOG=info;");
  std::istringstream lines(result.err);
  std::string first;
  std::getline(lines, first);
  EXPECT_THAT(first, HasSubstr("loading the model"));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("generating the answer before"),
                    HasSubstr("editing: does not hold after 1 step, "), HasSubstr("loss "),
                    HasSubstr("measuring before"), HasSubstr("measuring after")));
}

TEST_F(EditProgramTest, ProgressEndsWithTheOutcome) {
  const auto result = run(std::string(kEdit) + "-o {}/held.patch --json", "export EMEND_LOG=info;");
  const auto steps = nlohmann::json::parse(result.out)["effect"]["steps"].dump();
  EXPECT_THAT(result.err, HasSubstr("editing: holds after " + steps + " steps, "));
  EXPECT_THAT(result.err, Not(HasSubstr("/200")));
}

TEST_F(EditProgramTest, IkeWorksWithoutDemonstrations) {
  const std::string edit =
      "edit -m {}/model -p 'Where?' --target cat --probes 1 --allow-failed "
      "-o {}/told.patch --editor ike ";
  for (const std::string set : {"--set k=0", "--set ike.k=0"}) {
    const auto told = run_json(edit + set);
    EXPECT_EQ(told["patch"]["entries"], 1);
    EXPECT_EQ(told["metrics"]["protocol"]["exception_for"], "ike");
    EXPECT_EQ(run_json("ask -m {}/model -p 'Where?' --patch {}/told.patch")["answer"],
              told["after"]);
  }
  const auto picture = run_json(edit + "--set k=0 --image {}/picture.png");
  EXPECT_TRUE(picture["metrics"]["scores"].contains("image_locality"));
  std::filesystem::remove(path("told.patch"));
  expect_refused(edit, "--editor ike");
  expect_refused(edit, "k=0");
}

TEST_F(EditProgramTest, ProtocolOptionSelectsTheProtocol) {
  std::map<std::string, std::string> prompts;
  for (const std::string name : {"mmedit-2024", "easyedit-trainer", "easyedit-editor", "strict"}) {
    const auto edited = run_json(std::string(kWeak) + " --allow-failed --protocol " + name);
    EXPECT_EQ(edited["metrics"]["protocol"]["name"], name);
    prompts[name] = edited["prompt"].get<std::string>();
  }
  EXPECT_EQ(prompts["mmedit-2024"], "Question: What is this? Short answer:");
  EXPECT_EQ(prompts["strict"], prompts["mmedit-2024"]);
  EXPECT_EQ(prompts["easyedit-editor"], "What is this?");
  expect_refused(std::string(kWeak) + " --protocol easy", "mmedit-2024");
}

TEST_F(EditProgramTest, ReadsSeveralEditsFromAFile) {
  testing::write_text(path("edits.json"),
                      R"([{"prompt": "Who?", "target": "cat", "rephrase": "Who is it?"},
                          {"image": "picture.png", "prompt": "What is this?", "target": "dog",
                           "locality": ["Where?"], "color": "red"}])");
  const std::string edits = std::string(kText) + "--edits {}/edits.json -o {}/both.patch";
  for (const std::string mode : {"", " --sequential"}) {
    const auto result = run_json(edits + mode + " --allow-failed");
    ASSERT_EQ(result["edits"].size(), 2u);
    EXPECT_EQ(result["sequential"], !mode.empty());
    EXPECT_EQ(result["ignored_fields"], nlohmann::json::array({"color"}));
    EXPECT_EQ(result["edits"][1]["target"], "dog");
    EXPECT_EQ(result["holds"], result["edits"][0]["holds"] && result["edits"][1]["holds"]);
    EXPECT_EQ(result["metrics"]["scores"]["reliability"]["probes"], 2);
    EXPECT_EQ(result["metrics"]["scores"]["text_locality"]["probes"], 1);
    EXPECT_EQ(result["metrics"]["scores"]["image_locality"]["probes"], 1);
    const std::string patch = " --patch {}/both.patch";
    EXPECT_EQ(run_json("ask -m {}/model -p 'Who?'" + patch)["answer"], result["edits"][0]["after"]);
    EXPECT_EQ(run_json(std::string(kAsk) + patch)["answer"], result["edits"][1]["after"]);
    EXPECT_EQ(run_json("inspect {}/both.patch")["request"].size(), 2u);
    if (mode.empty()) {
      EXPECT_EQ(result["holds"], true);
    }
  }
  const auto said = run(edits, "export EMEND_LOG=warn;");
  EXPECT_THAT(said.err, HasSubstr("unknown field 'color' is ignored"));
  EXPECT_THAT(said.out, AllOf(HasSubstr("as one batch edit; 2 hold"), HasSubstr("Who?")));
  std::filesystem::remove(path("both.patch"));
  expect_refused(edits + " -p What?", "--edits");
  expect_refused(std::string(kText) + "-o {}/x.patch -p What?", "--target");
  expect_refused(std::string(kWeak) + " --sequential", "--edits");
  std::string words;
  for (int i = 0; i < 3000; ++i) words += "what ";
  testing::write_text(path("edits.json"), R"([{"prompt": "Who?", "target": "a"}, {"prompt": ")" +
                                              words + R"(?", "target": "b"}])");
  expect_refused(edits, "edit 2 of 2: ");
  testing::write_text(
      path("edits.json"),
      R"([{"prompt": "Who?", "target": "a"}, {"prompt": "Where?", "target": ")" + words + R"("}])");
  for (const char* order : {"", " --sequential"})
    expect_refused(edits + order, "edit 2 of 2: row 0 needs ");
  testing::write_text(path("edits.json"), R"([{"prompt": "Who?"}])");
  expect_refused(edits, "entry 1");
}

TEST_F(EditProgramTest, EditsOnTopOfPatches) {
  const auto first = run_json(std::string(kText) + "-p 'Who?' --target cat -o {}/first.patch");
  EXPECT_EQ(first["earlier_edits"], nlohmann::json::array());
  const std::string second =
      "edit -m {}/model --probes 1 -p 'What?' --target dog "
      "--patch {}/first.patch -o {}/second.patch ";
  const std::string both = " --patch {}/first.patch --patch {}/second.patch";
  for (const std::string editor : {"ft", "lora", "ike"}) {
    const auto set = editor == "ike" ? " --set k=0" : " --set lr=0.02 --set steps=200";
    const auto edited = run_json(second + "--allow-failed --editor " + editor + set);
    EXPECT_EQ(edited["on_patches"], nlohmann::json::array({first["patch"]["id"]}));
    EXPECT_EQ(edited["before"],
              run_json("ask -m {}/model -p 'What?' --patch {}/first.patch")["answer"]);
    EXPECT_EQ(run_json("ask -m {}/model -p 'What?'" + both)["answer"], edited["after"]);
    EXPECT_EQ(run_json("inspect {}/second.patch")["request"]["on_patches"], edited["on_patches"]);
    ASSERT_EQ(edited["earlier_edits"].size(), 1u);
    const auto& earlier = edited["earlier_edits"][0];
    EXPECT_EQ(earlier["patch"], first["patch"]["id"]);
    EXPECT_EQ(earlier["prompt"], first["prompt"]);
    EXPECT_EQ(earlier["before"], "cat");
    EXPECT_EQ(earlier["after"], run_json("ask -m {}/model -p 'Who?'" + both)["answer"]);
    EXPECT_EQ(earlier["lost"], earlier["after"] != "cat");
  }
  const auto lost = run(std::string(kText) +
                            "-p 'Whom?' --target dog --patch {}/first.patch "
                            "-o {}/lost.patch --allow-failed",
                        "export EMEND_LOG=warn;");
  EXPECT_THAT(lost.out, AllOf(HasSubstr("1 edit, asked again: 0 hold, 1 no longer holds"),
                              HasSubstr("earlier edit that no longer holds")));
  EXPECT_THAT(lost.err, HasSubstr("1 earlier edit of --patch no longer holds"));
  // The last patch rewrites requests, so weights cannot be edited on top of it.
  std::filesystem::rename(path("second.patch"), path("told.patch"));
  expect_refused(second + "--patch {}/told.patch", "without --patch");
  const auto alone =
      run("ask -m {}/model -p 'What?' --patch {}/told.patch", "export EMEND_LOG=warn;");
  EXPECT_THAT(alone.err, HasSubstr("was made on top of"));
}

TEST_F(EditProgramTest, UsesTheLocalityQuestionsOfTheUser) {
  testing::write_text(path("locality.jsonl"),
                      "\"Where?\"\n{\"prompt\": \"When?\", \"answer\": \"now\", "
                      "\"image\": \"picture.png\"}\n");
  const auto file =
      run_json(std::string(kWeak) + " --allow-failed --locality-file {}/locality.jsonl")["metrics"];
  EXPECT_EQ(file["scores"]["text_locality"]["probes"], 1);
  EXPECT_EQ(file["scores"]["image_locality"]["probes"], 1);
  EXPECT_EQ(file["scores"]["text_locality"]["measured_on"], "your locality questions");

  const auto texts = run_json(std::string(kWeak) +
                              " --allow-failed --locality 'Where?' --locality 'When? => now'");
  EXPECT_EQ(texts["metrics"]["scores"]["text_locality"]["probes"], 2);
  EXPECT_EQ(texts["metrics"]["scores"]["image_locality"]["measured_on"], "photos of other things");
  const auto pictures = run_json(std::string(kWeak) +
                                 " --allow-failed --locality 'Where?' --locality 'When?' "
                                 "--locality-image {}/picture.png");
  EXPECT_EQ(pictures["metrics"]["scores"]["image_locality"]["probes"], 2);
  EXPECT_EQ(pictures["metrics"]["scores"]["text_locality"]["measured_on"],
            "general questions, text only");
  std::filesystem::remove(path("weak.patch"));
  expect_refused(std::string(kWeak) + " --locality-image {}/picture.png", "--locality");
  expect_refused(std::string(kWeak) + " --locality ' => x'", "QUESTION => ANSWER");
}

TEST_F(EditProgramTest, PrintedAskCommandGivesTheSameAnswer) {
  const auto edited = run(std::string(kEdit) + "-o {}/a.patch --bare");
  const auto line = edited.out.substr(edited.out.find("ask       emend ") + 16);
  const auto command = line.substr(0, line.find('\n'));
  EXPECT_THAT(command, AllOf(StartsWith("ask -m "), HasSubstr("--bare")));
  EXPECT_EQ(run(command).out, "cat\n");
}

TEST_F(EditProgramTest, NeverReplacesAnInputOrAFileOfAnotherKind) {
  const std::string edit = std::string(kText) + "-p 'What?' --target cat ";
  const auto files = {path("model/model.safetensors"), path("model/config.json"),
                      path("picture.png"), path("text.png")};
  for (const auto& file : files) {
    const auto before = read_file(file);
    expect_refused(edit + "-o " + file, "exists and is not a file that this command replaces");
    EXPECT_EQ(read_file(file), before);
  }
  expect_refused(edit + "--image {}/picture.png -o {}/picture.png", "is also an input");
  ASSERT_EQ(run(edit + "-o {}/base.patch --allow-failed").code, 0);
  expect_refused(edit + "--patch {}/base.patch -o {}/base.patch", "is also an input");
  EXPECT_EQ(run(edit + "-o {}/base.patch --allow-failed").code, 0);  // a patch can be replaced
  expect_refused("train -m {}/model --steps 1 -o {}/model/model.safetensors", "exists and is not");
}

}  // namespace
}  // namespace emend
