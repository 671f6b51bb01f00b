#include "cli/testing/program.h"

#include <algorithm>
#include <sstream>

#include "tests/tiny_llava.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ProgramTest, PatchWorksInANewProcess) {
  auto plain = run_json(kAsk, kNewProcess);
  auto edited = run_json(std::string(kEdit) + "-o {}/a.patch", kNewProcess);
  for (const char* key : {"before", "after", "target", "metrics", "patch", "seconds", "seed",
                          "base", "peak_memory_bytes", "version", "threads", "device", "prompt"})
    EXPECT_TRUE(edited.contains(key)) << key;
  EXPECT_EQ(edited["before"], plain["answer"]);
  EXPECT_EQ(edited["after"], "cat");
  EXPECT_EQ(edited["prompt"], "Question: What is this? Short answer:");
  EXPECT_EQ(edited["prompt"], plain["prompt"]);
  EXPECT_GT(edited["peak_memory_bytes"].get<int64_t>(), 1 << 20);
  EXPECT_EQ(edited["metrics"]["protocol"]["name"], "mmedit-2024");
  EXPECT_EQ(edited["metrics"]["scores"]["reliability"]["score"], 1.0);
  EXPECT_EQ(edited["metrics"]["scores"]["text_locality"]["probes"], 2);
  EXPECT_EQ(edited["probes"].size(), 1u + 5 + 2 + 2);  // five altered copies of the picture

  auto patched = run_json(std::string(kAsk) + " --patch {}/a.patch", kNewProcess);
  EXPECT_EQ(patched["answer"], edited["after"]);
  EXPECT_EQ(patched["patches"][0], edited["patch"]["id"]);
  EXPECT_EQ(run_json(kAsk)["answer"], plain["answer"]);
  EXPECT_EQ(run(std::string(kAsk) + " --patch {}/a.patch").out, "cat\n");

  auto inside = run_json("inspect {}/a.patch");
  EXPECT_EQ(inside["id"], edited["patch"]["id"]);
  EXPECT_EQ(inside["effect"]["after"], "cat");
  EXPECT_EQ(inside["sites"].size(), 2u);
  EXPECT_THAT(run("inspect {}/a.patch").out, HasSubstr("layers.2.fc1"));
  expect_refused("ask -m {}/other -p x --patch {}/a.patch", "belongs to the base model");
  expect_refused(std::string(kAsk) + " --patch {}/a.patch --patch {}/a.patch", "already applied");
}

TEST_F(ProgramTest, RefusesToMergeAnEditTwice) {
  auto one = run_json(std::string(kEdit) + "-o {}/one.patch");
  std::filesystem::copy(path("one.patch"), path("copy.patch"));
  expect_refused("patch merge {}/one.patch {}/one.patch -o {}/two.patch", "count twice");
  expect_refused("patch merge {}/one.patch {}/copy.patch -o {}/two.patch", "count twice");
}

TEST_F(ProgramTest, RefusesAPatchWithAChangedScore) {
  run_json(std::string(kEdit) + "-o {}/score.patch");
  auto bytes = read_file(path("score.patch"));
  const std::string key = "loss_after\\\":";
  const auto at = bytes.find(key);
  ASSERT_NE(at, std::string::npos);
  auto& digit = bytes[at + key.size()];
  digit = digit == '1' ? '2' : '1';
  testing::write_text(path("score.patch"), bytes);
  expect_refused("inspect {}/score.patch", "field 'effect' that was changed");
  expect_refused("ask -m {}/model -p x --patch {}/score.patch", "field 'effect' that was changed");
}

TEST_F(ProgramTest, ListsAndMergesPatches) {
  const std::string edit =
      "edit -m {}/model --image {}/picture.png --set steps=3 --probes 1 --allow-failed -p ";
  ASSERT_EQ(run(edit + "What? --target cat -o {}/first.patch").code, 0);
  ASSERT_EQ(run(edit + "Who? --target dog -o {}/second.patch").code, 0);
  EXPECT_THAT(run("patch list {}/first.patch").out, HasSubstr("layers.2.fc1"));
  auto one = run_json("patch merge {}/first.patch {}/second.patch -o {}/one.patch");
  EXPECT_EQ(one["sites"], 2);
  const std::string ask = "ask -m {}/model --image {}/picture.png -p Why? --max-new-tokens 8";
  EXPECT_EQ(run(ask + " --patch {}/one.patch").out,
            run(ask + " --patch {}/first.patch --patch {}/second.patch").out);
  expect_refused("patch remove {}/one.patch x -o {}/left.patch", "no entries");
  expect_refused("patch merge {}/first.patch {}/picture.png -o {}/x.patch", "picture.png");
  EXPECT_THAT(run("patch merge --help").out, HasSubstr("[OPTIONS] patches...\n"));
  EXPECT_FALSE(std::filesystem::exists(path("left.patch")));
}

TEST_F(ProgramTest, EditPrintsATable) {
  auto result = run(std::string(kEdit) +
                    "-o {}/b.patch --module vision --set steps=3 --allow-failed "
                    "--rephrase 'What?' --rephrase-image {}/picture.png "
                    "--follows 'Is it a cat? => yes' --details");
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* word :
       {"before", "after", "Reliability", "T-Generality", "M-Generality", "T-Locality",
        "M-Locality", "mmedit-2024", "peak memory", "b.patch", "your rephrasings"})
    EXPECT_THAT(result.out, HasSubstr(word));
}

TEST_F(ProgramTest, EditorsPrintsSettings) {
  auto all = run("editors");
  EXPECT_EQ(all.code, 0) << all.err;
  for (const char* word : {"ft", "lora", "norm_constraint", "rank", "adamw, adam, sgd", "--set"})
    EXPECT_THAT(all.out, HasSubstr(word));
  auto lora = run_json("editors lora");
  ASSERT_EQ(lora["editors"].size(), 1u);
  const auto& settings = lora["editors"][0]["settings"];
  const auto rank = std::find_if(settings.begin(), settings.end(),
                                 [](const auto& setting) { return setting["name"] == "rank"; });
  ASSERT_NE(rank, settings.end());
  EXPECT_EQ((*rank)["default"], 8);
  EXPECT_FALSE(lora["editors"][0]["departures"].empty());
  // Each setting has one line of columns, also if its default has a line break.
  EXPECT_THAT(run("editors ike").out, HasSubstr("New Fact: {prompt} {target}\\n"));
  std::istringstream ike(run("editors ike").out);
  for (std::string line; std::getline(ike, line) && !line.starts_with("  Defaults");)
    EXPECT_TRUE(line.starts_with("ike  ") || line.starts_with("  ")) << line;
  EXPECT_THAT(run("editors lora").out, HasSubstr("Defaults that differ from the paper"));
  expect_refused("editors magic", "unknown editor 'magic'");
}

TEST_F(ProgramTest, EditorAndSettingsComeFromOptionsAndFiles) {
  const std::string ask =
      "edit -m {}/model --image {}/picture.png -p 'What is this?' --target cat --probes 1 "
      "--allow-failed -o {}/c.patch ";
  testing::write_text(path("set.yaml"), "ft:\n  steps: 2\nlora:\n  rank: 2\n  steps: 3\n");
  testing::write_text(path("ft.yaml"),
                      "alg_name: FT\nmodel_name: x\nlayers: [2]\nnum_steps: 4\nlr: 5e-4\n"
                      "rewrite_module_tmp: decoder.layers.{}.fc2.weight\n");
  auto lora = run_json(ask + "--editor lora --settings {}/set.yaml --set rank=4")["editor"];
  EXPECT_EQ(lora["name"], "lora");
  EXPECT_EQ(lora["settings"]["rank"], 4);
  EXPECT_EQ(lora["settings"]["steps"], 3);
  auto vision = run_json(ask + "--editor ft:vision --settings {}/set.yaml --seed 7")["editor"];
  EXPECT_EQ(vision["settings"]["module"], "connector");
  EXPECT_EQ(vision["settings"]["steps"], 2);
  EXPECT_EQ(vision["settings"]["seed"], 7);
  auto hparams = run_json(ask + "--hparams {}/ft.yaml");
  EXPECT_EQ(hparams["editor"]["settings"]["sites"], "*decoder.layers.2.fc2");
  EXPECT_EQ(hparams["editor"]["settings"]["optimizer"], "adam");
  EXPECT_EQ(hparams["patch"]["sites"], 1);
  std::filesystem::remove(path("c.patch"));
  testing::write_text(path("bad.yaml"), "ft:\n  stepz: 2\n");
  expect_refused(ask + "--settings {}/bad.yaml", "'stepz'");
  expect_refused(ask + "--hparams {}/set.yaml", "missing the key 'alg_name'");
  expect_refused(ask + "--hparams {}/missing.yaml", "missing.yaml");
  expect_refused(ask + "--hparams {}/ft.yaml --editor lora", "--editor");
  expect_refused(ask + "--editor ft,lora", "several editors");
  expect_refused(ask + "--module ears", "language, connector, projector, vision_tower");
}

TEST_F(ProgramTest, TrainsAnEditorFromAnEasyEditFile) {
  testing::write_text(path("ke.yaml"),
                      "alg: KE\nmodel_name: x\nlr: 1e-3\ncloc: 2\nmax_iters: 9\narchive: null\n"
                      "inner_params:\n- opt_model.model.decoder.layers.2.fc2.weight\n");
  const std::string train = "train -m {}/model --set validation=1 --steps 2 -o {}/ke.safetensors ";
  auto trained = run_json(train + "--hparams {}/ke.yaml --save-dtype bf16");
  EXPECT_EQ(trained["editor"]["name"], "ke");
  EXPECT_EQ(trained["editor"]["settings"]["locality_weight"], 2.0);
  EXPECT_EQ(trained["training"]["steps"], 2);
  auto edited = run_json(
      "edit -m {}/model --image {}/picture.png -p 'What is this?' --target cat --probes 1 "
      "--editor ke --set checkpoint={}/ke.safetensors --allow-failed -o {}/c.patch");
  EXPECT_EQ(edited["patch"]["sites"], 1);
  const auto bytes = read_file(path("ke.safetensors"));
  expect_refused(train + "--hparams {}/ke.yaml",
                 "use --resume to continue that training, --restart");
  EXPECT_EQ(read_file(path("ke.safetensors")), bytes);
  const auto converted =
      run_json(train + "--hparams {}/ke.yaml --resume --save-dtype fp32");  // a finished training
  EXPECT_EQ(converted["training"]["history"], trained["training"]["history"]);
  EXPECT_EQ(run_json(train + "--hparams {}/ke.yaml --restart")["training"]["steps"], 2);
  std::filesystem::remove(path("ke.safetensors"));
  expect_refused(train + "--hparams {}/ke.yaml", "ke.safetensors.state' exists");
  expect_refused(train + "--hparams {}/ke.yaml --resume --restart", "--restart");
  expect_refused("train -m {}/model --suite zsre --data x.json --consequences 1 -o {}/t",
                 "--consequences has no effect with --suite zsre");
  EXPECT_EQ(run(train + "--hparams {}/ke.yaml --restart").code, 0);
  for (const char* name : {"c.patch", "ke.safetensors", "ke.safetensors.state"})
    std::filesystem::remove(path(name));
  expect_refused(train + "--hparams {}/ke.yaml --editor mend", "--editor");
  testing::write_text(path("ft.yaml"),
                      "alg_name: FT\nmodel_name: x\nlayers: [2]\nnum_steps: 4\nlr: 5e-4\n"
                      "rewrite_module_tmp: decoder.layers.{}.fc2.weight\n");
  expect_refused(train + "--hparams {}/ft.yaml", "needs no training");
}

TEST_F(ProgramTest, BuildsThePromptFromTheQuestion) {
  auto prompt = [&](const std::string& options) {
    return run_json("ask -m {}/model --max-new-tokens 1 " + options)["prompt"];
  };
  EXPECT_EQ(prompt("-p 'What?'"), "Question: What? Short answer:");
  EXPECT_EQ(prompt("-p 'a photo of'"), "a photo of");
  EXPECT_EQ(prompt("-p 'What?' --bare"), "What?");
  EXPECT_EQ(prompt("-p 'What?' --template 'Q: {''} A:'"), "Q: What? A:");
  // A model's chat template replaces the question template.
  testing::write_tiny_llava(path("llava"));
  const auto chat = [&](const std::string& options) {
    return run_json("ask -m {}/llava --image {}/picture.png --max-new-tokens 1 -p 'What?' " +
                    options)["formatted_prompt"];
  };
  EXPECT_EQ(chat(""), "USER: <image>\nWhat? ASSISTANT:");
  EXPECT_EQ(chat("--no-chat-template"), "<image>\nQuestion: What? Short answer:");
  expect_refused("ask -m {}/model -p 'What?' --template 'Q:'", "has no {}");
  expect_refused("ask -m {}/model -p 'What?' --template '{''} and {''}'", "more than once");
}

TEST_F(ProgramTest, InspectsAModel) {
  auto model = run_json("inspect {}/model");
  EXPECT_EQ(model["model_type"], "blip-2");
  EXPECT_EQ(model["num_image_tokens"], 4);
  EXPECT_GT(model["parameters"]["total"].get<int64_t>(), 1000);
  EXPECT_THAT(model["default_sites"]["language"].get<std::string>(), HasSubstr("layers.2.fc"));
  EXPECT_EQ(model["stages"].size(), 2u + 2 + 2 + 2 + 3 + 2);
  auto some = run_json("inspect {}/model --sites '*.layers.2.fc{1,2}'");
  EXPECT_EQ(some["sites"].size(), 2u);
  EXPECT_THAT(run("inspect {}/model").out, HasSubstr("qformer"));
  expect_refused("inspect {}/model --sites '*.layers.*.fc9'", "lists all sites");
  expect_refused("inspect {}/model --sites '*.layers.*.fc9'",
                 "similar names: vision_model.encoder.layers.0.mlp.fc1");
  std::filesystem::create_directory(path("empty"));
  expect_refused("ask -m {}/empty -p x", "empty' has no config.json");
  expect_refused("inspect {}/empty", "preprocessor_config.json");
  expect_refused("ask -m {}/model -p x --dtype fp16", "computing in fp16 on cpu");
  std::filesystem::remove(path("empty"));
}

TEST_F(ProgramTest, InspectsAClosedFormEdit) {
  ASSERT_EQ(run("stats -m {}/model --sites language --suite scenes --samples 3 --probes 1 "
                "-o {}/keys.safetensors")
                .code,
            0);
  ASSERT_EQ(run("edit -m {}/model -p 'Where is the red dog now?' --target cat --subject 'red dog' "
                "--editor alphaedit --set ridge=0.1 --set prefixes=1 --set keys=mean "
                "--set statistics={}/keys.safetensors --probes 1 --allow-failed -o {}/alpha.patch")
                .code,
            0);
  EXPECT_THAT(run("inspect {}/alpha.patch").out,
              AllOf(HasSubstr("1 key; covariance of "), HasSubstr("condition number"),
                    HasSubstr("null space of "), HasSubstr("later edits can preserve them")));
  EXPECT_EQ(run_json("inspect {}/alpha.patch")["request"]["subject"], "red dog");
}

TEST_F(ProgramTest, InspectsATrainedEditor) {
  const auto trained = run_json(
      "train -m {}/model --editor mend-iterated --module tower --set validation=1 "
      "--set validate=1 --steps 2 --save-dtype bf16 -o {}/mend.safetensors");
  const auto shown = run_json("inspect {}/mend.safetensors");
  EXPECT_EQ(shown["kind"], "trained editor");
  EXPECT_EQ(shown["editor"], "mend-iterated");
  EXPECT_EQ(shown["module"], "vision_tower");
  EXPECT_EQ(shown["base"], run_json("inspect {}/model")["base"]);
  EXPECT_EQ(shown["steps"], trained["training"]["best"]["step"]);
  EXPECT_EQ(shown["dtype"], "bf16");
  const auto text = run("inspect {}/mend.safetensors").out;
  EXPECT_THAT(text, AllOf(HasSubstr("mend-iterated"), HasSubstr("vision_tower"),
                          HasSubstr(shown["base"].get<std::string>()), HasSubstr("mean score"),
                          HasSubstr("--editor mend-iterated --module vision_tower")));
  EXPECT_EQ(run_json("inspect {}/mend.safetensors.state")["kind"], "training state");
  EXPECT_THAT(run("inspect {}/mend.safetensors.state").out, HasSubstr("--resume continues it"));
  expect_refused("ask -m {}/model -p x --patch {}/mend.safetensors", "it is a trained editor");
  auto damaged = read_file(path("mend.safetensors"));
  testing::write_text(path("mend.safetensors"), damaged.substr(0, 40));
  expect_refused("inspect {}/mend.safetensors", "mend.safetensors");
  for (const char* name : {"mend.safetensors", "mend.safetensors.state"})
    std::filesystem::remove(path(name));
}

TEST_F(ProgramTest, ConvertsCheckpoints) {
  const std::string data = EMEND_SOURCE_DIR "/src/models/testdata/convert/";
  std::filesystem::copy(data + "blip2/opt", path("opt"));
  std::filesystem::copy(EMEND_SOURCE_DIR "/src/text/testdata/small_opt", path("opt"));
  const auto blip2 =
      "convert blip2 --language {}/opt --vision-heads 3 --qformer-heads 2 "
      "--vision-blocks 2 --checkpoint " +
      data + "blip2/blip2.pth ";
  const auto vit = "--vit " + data + "blip2/vit.pth ";
  auto result = run(blip2 + vit + "--dtype bf16 -o {}/converted");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("written"), HasSubstr("2 of the vision tower's 3 blocks"),
                                HasSubstr("ignored   "), HasSubstr("--verbose")));
  EXPECT_EQ(run("ask -m {}/converted --image {}/picture.png -p 'What is this?'").code, 0);
  expect_refused(blip2 + vit + "-o {}/converted", "exists and is not empty");
  expect_refused(blip2 + "-o {}/none", "has no vision tower");
  expect_refused("convert blip2 --language {}/opt -o {}/none --checkpoint " EMEND_SOURCE_DIR
                 "/src/io/testdata/torch/hostile.pth",
                 "refers to posix.system");
  testing::write_text(path("page.pth"), "<!DOCTYPE html><html></html>");
  expect_refused("convert blip2 --language {}/opt -o {}/none --checkpoint {}/page.pth",
                 "is a web page");
  expect_refused(blip2 + vit + "-o {}/none", "cannot write", "ulimit -f 10;");

  const auto files = data + "minigpt4/";
  const auto json = run_json("convert minigpt4 --vision-heads 2 --qformer-heads 2 --vit " + files +
                             "vit.pth --qformer " + files + "qformer.pth --projection " + files +
                             "projection.pth --language " + files + "vicuna -o {}/minigpt4");
  EXPECT_GT(json["tensors"], 80);
  EXPECT_THAT(json["ignored"].dump(), HasSubstr("t5_proj.weight ("));
  EXPECT_EQ(run("ask -m {}/minigpt4 --image {}/picture.png -p 'What is this?'").code, 0);
  expect_refused("convert", "'emend convert' needs a command");
}

TEST_F(ProgramTest, ExportsScenes) {
  auto result = run("scenes export -o {}/scenes --split train --count 2 --seed 4");
  EXPECT_EQ(result.code, 0) << result.err;
  auto records = nlohmann::json::parse(read_file(path("scenes/scenes_train.json")));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[0].contains("m_loc_q"));
  auto errors = run("scenes export -o {}/errors --count 2 --kind errors -m {}/model");
  EXPECT_EQ(errors.code, 0) << errors.err;
  records = nlohmann::json::parse(read_file(path("errors/scenes_eval.json")));
  EXPECT_EQ(records.size(), 2u);
}

TEST_F(ProgramTest, DemoRevertsItsPatches) {
  auto result = run("demo -m {}/model --edits 2 -o {}/demo");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("bit-identical"));
  EXPECT_THAT(result.out, HasSubstr("M-Locality"));
  EXPECT_TRUE(std::filesystem::exists(path("demo/picture.png")));
}

}  // namespace
}  // namespace emend
