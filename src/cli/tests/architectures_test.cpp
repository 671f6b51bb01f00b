// Runs every command that needs a model on a folder of every architecture.
#include "cli/testing/program.h"
#include "editing/testing/every_editor.h"
#include "io/json/json.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class ArchitectureProgramTest : public ProgramTest,
                                public ::testing::WithParamInterface<testing::TinyModel> {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    GetParam().write(path(name()), 0);
    if (!sees())
      testing::write_text(path("facts.json"),
                          nlohmann::json{{{"prompt", "Rome lies in"},
                                          {"target_new", "Spain"},
                                          {"ground_truth", "Italy"},
                                          {"rephrase_prompt", "Rome is a town of"},
                                          {"locality_prompt", "Paris lies in"},
                                          {"locality_ground_truth", "France"}}}
                              .dump());
  }
  static std::string name() { return GetParam().name; }
  static bool sees() { return GetParam().sees; }
  std::string question() const {
    return " -m {}/" + name() + (sees() ? " --image {}/picture.png" : "") + " -p 'What is this?'";
  }
};

TEST_P(ArchitectureProgramTest, Inspects) {
  const auto model = run_json("inspect {}/" + name());
  EXPECT_EQ(model["model_type"], GetParam().model_type);
  EXPECT_EQ(model["num_image_tokens"] != 0, sees());  // null if it depends on the picture
  EXPECT_FALSE(model["default_sites"]["language"].get<std::string>().empty());
  const auto said = run("inspect {}/" + name());
  EXPECT_EQ(said.code, 0);
  if (name() == "smolvlm") {
    EXPECT_THAT(said.out, HasSubstr("or one tile of it, takes 4"));
  }
}

TEST_P(ArchitectureProgramTest, AsksAndEdits) {
  const auto before = run_json("ask" + question());
  for (const std::string editor : {"ft", "lora"}) {
    const auto patch = " {}/" + name() + "-" + editor + ".patch";
    const auto edited =
        run_json("edit" + question() + " --editor " + editor +
                 " --target cat --probes 1 --set steps=60 --set lr=0.02 -o" + patch);
    EXPECT_EQ(edited["before"], before["answer"]);
    EXPECT_EQ(edited["after"], "cat") << editor;
    EXPECT_EQ(run_json("ask" + question() + " --patch" + patch)["answer"], "cat");
  }
  EXPECT_EQ(run_json("ask" + question())["answer"], before["answer"]);
}

TEST_P(ArchitectureProgramTest, TracesAnswers) {
  const auto trace = run_json("trace" + question() +
                              " --subject this --set rows=1 --set components=residual,mlp "
                              "--set grid=2 -o {}/" +
                              name() + "-trace");
  ASSERT_EQ(trace["runs"].size(), sees() ? 2u : 1u);
  for (const auto& runs : trace["runs"]) EXPECT_EQ(runs["reversible"], 1);
  EXPECT_EQ(std::filesystem::exists(path(name() + "-trace/overlay.png")), sees());
}

// Trained editors are found in the folder of the model. Each architecture gets a fifth of the
// editors and modules, so that all of them run once; ArchitecturesTest has all of them on every
// architecture, without the program.
TEST_P(ArchitectureProgramTest, EditsWithEveryEditorAndModule) {
  const auto trained = testing::start_fork([] {
    testing::write_trained_editors(load_vlm(path(name())));
    return 0;
  });
  ASSERT_EQ(testing::wait_for(trained), 0);
  const auto same = [](const testing::TinyModel& model) { return model.name == name(); };
  auto number =
      std::find_if(std::begin(testing::kTinyModels), std::end(testing::kTinyModels), same) -
      std::begin(testing::kTinyModels);
  for (const auto& label : testing::editor_labels()) {
    if (number++ % std::ssize(testing::kTinyModels) != 0) continue;
    const auto spec = parse_editors(label).at(0);
    const auto kind = editor_info(spec.name);
    const auto module = spec.settings.value("module", std::string());
    if (module.empty() && kind.has_setting("module")) continue;  // another label names the module
    SCOPED_TRACE(label);
    const auto edit =
        "edit" + question() + " --editor " + label + " --target cat --probes 1 " +
        (kind.has_setting("steps") ? "--set steps=2 " : "") +
        (kind.has_setting("hard_routing") ? "--set hard_routing=false " : "") +
        (kind.has_setting("null_space_energy") ? "--set null_space_energy=0.9 " : "") +
        "-o {}/every.patch";
    if (!sees() && kind.needs_pictures) {
      expect_refused(edit, "reads text only");
      continue;
    }
    if (!sees() && (module == "connector" || module == "vision_tower" || module == "projector")) {
      expect_refused(edit, "module '");
      continue;
    }
    const auto edited = run_json(edit + " --allow-failed");
    EXPECT_EQ(edited["editor"]["name"], spec.name);
    EXPECT_EQ(edited["holds"], edited["after"] == "cat");
    EXPECT_EQ(edited["holds"], !edited.contains("failure"));
    EXPECT_EQ(edited["metrics"]["scores"].contains("image_locality"), sees());
    EXPECT_EQ(run_json("ask" + question() + " --patch {}/every.patch")["answer"], edited["after"]);
  }
}

TEST_P(ArchitectureProgramTest, TextOnlyModelsRefusePictures) {
  if (sees()) return;
  expect_refused("ask -m {}/" + name() + " --image {}/picture.png -p What", "reads text only");
  expect_refused("trace -m {}/" + name() + " --image {}/picture.png -p What -o {}/none",
                 "reads text only");
  expect_refused("bench -m {}/" + name() + " -o {}/none", "questions about pictures");
  expect_refused("train -m {}/" + name() + " --editor ke -o {}/none", "questions about pictures");
}

TEST_P(ArchitectureProgramTest, ComparesEditors) {
  const auto folder = path(name() + "-bench");
  const auto suite = sees() ? std::string(" --limit 1 --probes 1 --editors ft:language,lora")
                            : " --suite counterfact --data {}/facts.json --editors ft,lora";
  const auto bench =
      run("bench -m {}/" + name() + suite + " -t 1 --set steps=60 --set lr=0.02 -o " + folder);
  ASSERT_EQ(bench.code, 0) << bench.err;
  const auto results = read_json(folder + "/results.json");
  ASSERT_EQ(results["editors"].size(), 3u);
  for (const auto& editor : results["editors"]) {
    EXPECT_EQ(editor["records"], 1) << editor["label"];
    EXPECT_TRUE(editor["failed"].empty()) << editor["failed"];
    EXPECT_EQ(editor["groups"].contains("image_locality"), sees());
    EXPECT_EQ(editor["groups"]["reliability"]["score"].get<double>() == 1,
              editor["label"] != "base")
        << editor["label"];
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, ArchitectureProgramTest,
                         ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emend
