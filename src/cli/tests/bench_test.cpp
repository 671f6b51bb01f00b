#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <sstream>
#include <thread>

#include "cli/testing/process.h"
#include "editing/patches/patch_stack.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Runs, interrupts and kills `emend bench` as a user does.
class BenchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(model_->path());
  }
  static void TearDownTestSuite() { model_.reset(); }
  std::string path(const std::string& name) const { return folder_ / name; }

  // `arguments` has no quotes. Output goes to the files out and err.
  pid_t start(const std::string& arguments) const {
    return testing::start_program(testing::words_of("bench -m " + model + " -t 1 " + arguments),
                                  path("out"), path("err"));
  }
  int run(const std::string& arguments) const { return testing::wait_for(start(arguments)); }
  void expect_refused(const std::string& arguments, const std::string& said) const {
    SCOPED_TRACE(arguments);
    EXPECT_EQ(run(arguments + " -o " + path("refused")), 1);
    auto err = read_file(path("err"));
    EXPECT_THAT(err, AllOf(HasSubstr("emend: "), HasSubstr("Hint: "), HasSubstr(said)));
    EXPECT_EQ(read_file(path("out")), "");
    EXPECT_FALSE(fs::exists(path("refused")));
  }
  static int64_t count_lines(const std::string& file) {
    const auto text = fs::exists(file) ? read_file(file) : "";
    return std::count(text.begin(), text.end(), '\n');
  }
  static nlohmann::json without_timings(const std::string& file) {
    auto json = read_json(file);
    json.erase("timings");
    return json;
  }

  static constexpr const char* kSmall =
      " --limit 3 --set lr=0.02 --set steps=3 --editors ft:language,ft:vision ";

  TemporaryFolder folder_;
  std::string model = model_->path();
  static std::unique_ptr<TemporaryFolder> model_;
};
std::unique_ptr<TemporaryFolder> BenchTest::model_;

TEST_F(BenchTest, KilledRunsResumeToTheSameResults) {
  std::mt19937_64 random(11);
  for (const std::string mode : {"single", "sequential", "batch"}) {
    SCOPED_TRACE(mode);
    const std::string several = mode == "single" ? "" : " --batch-size 2";
    const std::string judged = mode == "sequential" ? " --judge-at 1,2" : "";
    const auto arguments = kSmall + ("--mode " + mode + several + judged + " -o ");
    const auto whole = path("whole-" + mode), broken = path("broken-" + mode);
    ASSERT_EQ(run(arguments + whole), 0) << read_file(path("err"));
    const auto lines = count_lines(whole + "/samples.jsonl");
    int kills = 0;
    for (int i = 0; i < 4; ++i) {
      const auto done = count_lines(broken + "/samples.jsonl");
      if (done == lines) break;
      auto child = start(arguments + broken + " --cache-dir " + path("cache"));
      testing::wait_for_lines(child, broken + "/samples.jsonl",
                              done + 1 + static_cast<int64_t>(random() % (lines - done)));
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 30));
      ::kill(child, SIGKILL);
      kills += testing::wait_for(child) == 128 + SIGKILL;
    }
    EXPECT_GT(kills, 0);
    ASSERT_EQ(run(arguments + broken + " --cache-dir " + path("cache")), 0)
        << read_file(path("err"));
    EXPECT_EQ(read_file(broken + "/samples.jsonl"), read_file(whole + "/samples.jsonl"));
    EXPECT_EQ(without_timings(broken + "/results.json"), without_timings(whole + "/results.json"));
    for (const auto& entry : fs::directory_iterator(whole))
      EXPECT_TRUE(fs::exists(broken / entry.path().filename())) << entry.path();
  }
}

TEST_F(BenchTest, InterruptStopsTheRunAndExplainsHowToResume) {
  auto arguments =
      " --limit 40 --editors ft:language --answers forced --set steps=3 -o " + path("a");
  auto child = start(arguments);
  // The signal is sent after the first line is written; before, it ends the program at once.
  ASSERT_TRUE(testing::wait_for_lines(child, path("a/samples.jsonl"), 1)) << read_file(path("err"));
  ::kill(child, SIGINT);
  EXPECT_EQ(testing::wait_for(child), 130);
  EXPECT_THAT(read_file(path("err")), AllOf(HasSubstr("of 40 records"), HasSubstr("same command")));
  EXPECT_EQ(read_json(path("a/results.json"))["partial"], true);
  EXPECT_EQ(run(arguments), 0);
  EXPECT_FALSE(read_json(path("a/results.json")).contains("partial"));
}

TEST_F(BenchTest, SigtermExitsWithStatus143) {
  auto arguments =
      " --limit 40 --editors ft:language --answers forced --set steps=3 -o " + path("a");
  auto child = start(arguments);
  ASSERT_TRUE(testing::wait_for_lines(child, path("a/samples.jsonl"), 1)) << read_file(path("err"));
  ::kill(child, SIGTERM);
  EXPECT_EQ(testing::wait_for(child), 143);
}

// Keeps the first `count` lines of a samples file.
void keep_lines(const std::string& file, size_t count) {
  std::istringstream stream(read_file(file));
  std::string kept;
  for (std::string line; count-- > 0 && std::getline(stream, line);) kept += line + "\n";
  testing::write_text(file, kept);
}

TEST_F(BenchTest, SavesPatchesOfSeveralEdits) {
  const auto sequential = std::string(" --limit 4 --set lr=0.02 --set steps=3 --save-patches") +
                          " --mode sequential --editors ft:language,lora -o " + path("s");
  ASSERT_EQ(run(sequential), 0) << read_file(path("err"));
  EXPECT_THAT(read_file(path("out")), HasSubstr("s/patches/ft-language.patch"));
  const auto dense = load_patch(path("s/patches/ft-language.patch"));
  const auto low = load_patch(path("s/patches/lora.patch"));
  EXPECT_EQ(dense.request.size(), 4u);
  EXPECT_EQ(dense.effect["merged"].size(), 4u);
  EXPECT_EQ(dense.id, patch_id(dense));
  EXPECT_NO_THROW(PatchStack().apply(load_vlm(model), dense));
  const auto results = without_timings(path("s/results.json"));

  // A run that was interrupted, or that lost its patches, ends with the same patches.
  for (size_t lines : {0, 5, 11, 1000}) {
    SCOPED_TRACE(lines);
    keep_lines(path("s/samples.jsonl"), lines);
    fs::remove_all(path("s/patches"));
    ASSERT_EQ(run(sequential), 0) << read_file(path("err"));
    EXPECT_EQ(load_patch(path("s/patches/ft-language.patch")).id, dense.id);
    EXPECT_EQ(load_patch(path("s/patches/lora.patch")).id, low.id);
    EXPECT_EQ(without_timings(path("s/results.json")), results);
  }

  const auto batch = std::string(" --limit 4 --set lr=0.02 --set steps=3 --save-patches") +
                     " --mode batch --editors ft:language --batch-size 3 -o " + path("t");
  ASSERT_EQ(run(batch), 0) << read_file(path("err"));
  const auto first = load_patch(path("t/patches/ft-language-batch-0001.patch"));
  const auto second = load_patch(path("t/patches/ft-language-batch-0002.patch"));
  EXPECT_EQ(first.request.size(), 3u);
  EXPECT_TRUE(second.request.is_object());
  keep_lines(path("t/samples.jsonl"), 3);
  fs::remove_all(path("t/patches"));
  ASSERT_EQ(run(batch), 0) << read_file(path("err"));
  EXPECT_EQ(load_patch(path("t/patches/ft-language-batch-0001.patch")).id, first.id);
  EXPECT_EQ(load_patch(path("t/patches/ft-language-batch-0002.patch")).id, second.id);
  expect_refused("--save-patches", "single mode");
}

TEST_F(BenchTest, PrintsTablesOrJson) {
  auto arguments = kSmall + ("-o " + path("b"));
  ASSERT_EQ(run(arguments), 0) << read_file(path("err"));
  for (const char* word : {"Reliability", "M-Locality", "base", "ft:language", "ft:vision",
                           "mmedit-2024", "report.html", "Generated answers"})
    EXPECT_THAT(read_file(path("out")), HasSubstr(word));
  for (const char* file : {"report.html", "table.md", "table.csv", "table.tex", "run.json"})
    EXPECT_TRUE(fs::exists(path("b/") + file)) << file;
  // The times have the order of the results.
  const auto out = read_file(path("out"));
  const auto times = out.substr(out.find("seconds per record"));
  const auto first = times.find("  base "), second = times.find("  ft:language "),
             third = times.find("  ft:vision ");
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << times;
  ASSERT_EQ(run(arguments + " --json"), 0);
  EXPECT_EQ(nlohmann::json::parse(read_file(path("out"))), read_json(path("b/results.json")));
}

TEST_F(BenchTest, SettingsComeFromOptionsAndFiles) {
  testing::write_text(path("s.yaml"), "ft:\n  steps: 2\nft:vision:\n  lr: 0.5\n");
  ASSERT_EQ(run(" --limit 1 --settings " + path("s.yaml") +
                " --set ft:language.steps=1 --seed 5 -o " + path("c")),
            0)
      << read_file(path("err"));
  auto editors = read_json(path("c/results.json"))["editors"];
  EXPECT_EQ(editors[1]["settings"]["steps"], 1);
  EXPECT_EQ(editors[2]["settings"]["steps"], 2);
  EXPECT_EQ(editors[2]["settings"]["lr"], 0.5);
  EXPECT_EQ(editors[2]["settings"]["seed"], 5);
  EXPECT_EQ(run(" --limit 1 --editors base -o " + path("d")), 0) << read_file(path("err"));
  EXPECT_EQ(read_json(path("d/results.json"))["editors"].size(), 1u);
}

TEST_F(BenchTest, SweepComparesTheValuesOfASetting) {
  const auto sweep = " --limit 2 --editors ft:language,ft:vision --set lr=0.02 -o " + path("w") +
                     " --sweep ft:connector.steps=";
  ASSERT_EQ(run(sweep + "1,3"), 0) << read_file(path("err"));
  EXPECT_THAT(read_file(path("out")),
              AllOf(HasSubstr("\n  ft:vision steps=1 "), HasSubstr("\n  ft:vision steps=3 ")));
  const auto results = without_timings(path("w/results.json"));
  EXPECT_EQ(
      results["config"]["sweep"],
      nlohmann::json({{"editor", "ft:vision"}, {"setting", "steps"}, {"values", {"1", "3"}}}));
  ASSERT_EQ(results["editors"].size(), 4u);
  EXPECT_EQ(results["editors"][1]["label"], "ft:language");
  EXPECT_EQ(results["editors"][2]["label"], "ft:vision steps=1");
  EXPECT_EQ(results["editors"][2]["settings"]["steps"], 1);
  EXPECT_EQ(results["editors"][2]["settings"]["lr"], 0.02);
  EXPECT_EQ(results["editors"][3]["settings"]["steps"], 3);
  EXPECT_THAT(read_file(path("w/table.md")), HasSubstr("| ft:vision steps=3 |"));

  // Resumed, also under another name of the module; the label stays.
  for (const std::string module : {"vision", "connector"}) {
    keep_lines(path("w/samples.jsonl"), 5);
    ASSERT_EQ(run(" --limit 2 --editors ft:language,ft:" + module + " --set lr=0.02 -o " +
                  path("w") + " --sweep ft:connector.steps=1,3"),
              0)
        << read_file(path("err"));
    EXPECT_EQ(without_timings(path("w/results.json")), results);
  }
  EXPECT_EQ(run(sweep + "1,2"), 1);
  EXPECT_THAT(read_file(path("err")),
              HasSubstr("config.sweep.values.1 was \"3\" and is now \"2\""));
}

TEST_F(BenchTest, PatchesOfASweepHaveDifferentNames) {
  ASSERT_EQ(run(" --limit 2 --mode batch --editors ft --set steps=1 --save-patches -o " +
                path("n") + " --sweep ft.sites=*layers.1.fc2;?*layers.1.fc2;**layers.1.fc2"),
            0)
      << read_file(path("err"));
  for (const char* name :
       {"ft-sites--layers.1.fc2", "ft-sites---layers.1.fc2", "ft-sites---layers.1.fc2-2"})
    EXPECT_TRUE(fs::exists(path("n/patches/") + name + ".patch")) << name;
}

TEST_F(BenchTest, HyperparameterFileReplacesTheDefaultEditors) {
  testing::write_text(path("ft.yaml"), R"(alg_name: FT
model_name: blip2
device: 0
layers: [2]
num_steps: 2
lr: 5e-4
rewrite_module_tmp: "opt_model.model.decoder.layers.{}.fc2.weight"
)");
  ASSERT_EQ(run(" --limit 1 --hparams " + path("ft.yaml") + " -o " + path("h")), 0)
      << read_file(path("err"));
  auto editors = read_json(path("h/results.json"))["editors"];
  ASSERT_EQ(editors.size(), 2u);
  EXPECT_EQ(editors[0]["label"], "base");
  EXPECT_EQ(editors[1]["label"], "ft (ft)");
  ASSERT_EQ(run(" --limit 1 --editors lora --set lora.steps=1 --hparams " + path("ft.yaml") +
                " -o " + path("i")),
            0)
      << read_file(path("err"));
  EXPECT_EQ(read_json(path("i/results.json"))["editors"].size(), 3u);
}

// The picture's edit gives its creature another name, and a text's edit changes a fact of that name. The
// question about the picture needs both.
TEST_F(BenchTest, LedgerCombinesEditsThatMustBeUsedTogether) {
  const auto portability = [&](const std::string& settings, const std::string& folder) {
    const auto directory = path(folder);
    EXPECT_EQ(testing::wait_for(testing::start_program(
                  testing::words_of("bench -t 1 --form composition --mode batch --batch-size 2 "
                                    "--limit 12 --probes 1 --answers forced --editors ledger " +
                                    settings + " -o " + directory),
                  path("out"), path("err"))),
              0);
    const auto results = read_json(directory + "/results.json");
    return results["editors"][1]["groups"]["portability"]["score"].get<double>();
  };
  EXPECT_GE(portability("", "chained"), 0.5);
  EXPECT_LE(portability("--set chain_limit=0", "apart"), 0.2);
}

// Questions about the picture of an edited caption: what follows from the caption changes, and the rest
// stays, although both can be in the scope of the edit.
TEST_F(BenchTest, LedgerReadsCaptionsWithoutChangingUnrelatedAnswers) {
  EXPECT_EQ(testing::wait_for(testing::start_program(
                testing::words_of("bench -t 1 --form caption --grid --protocol strict --limit 16 "
                                  "--answers generated --editors ledger -o " +
                                  path("captions")),
                path("out"), path("err"))),
            0);
  const auto editors = read_json(path("captions/results.json"))["editors"];
  const auto score = [&](size_t editor, const char* group) {
    return editors[editor]["groups"][group]["score"].get<double>();
  };
  EXPECT_GE(score(1, "reliability"), 0.9);
  EXPECT_GE(score(1, "consistent_image_locality"), 0.9);
  EXPECT_GE(score(1, "portability"), score(0, "portability") + 0.25);
}

TEST_F(BenchTest, ResultsListUnusedFieldsOfTheSuite) {
  testing::write_text(path("zsre.json"), R"([{"subject": "Mara", "src": "Where is Mara?",
    "pred": "here", "rephrase": "Mara is where?", "alt": "there", "answers": ["home"],
    "loc": "nq question: who", "loc_ans": "he", "cond": "here >> there || Where is Mara?"}])");
  ASSERT_EQ(run(" --suite zsre --editors ft:language --set steps=1 --data " + path("zsre.json") +
                " -o " + path("z")),
            0)
      << read_file(path("err"));
  auto suite = read_json(path("z/results.json"))["config"]["suite"];
  EXPECT_EQ(suite["unused_fields"], (nlohmann::json{{"cond", 1}}));
  EXPECT_EQ(suite["prompts"], "questions");
}

TEST_F(BenchTest, FailureOnEveryRecordIsAnErrorAfterOtherResultsAreWritten) {
  testing::write_text(path("rows.json"), R"([{"src": "What?", "rephrase": "Which?", "pred": "a",
    "alt": "b", "image": "big.png", "image_rephrase": "big.png", "loc": "x", "loc_ans": "y",
    "m_loc": "big.png", "m_loc_q": "q", "m_loc_a": "a"}])");
  testing::write_text(path("big.png"), "no picture");
  EXPECT_EQ(run("--suite mmedit-json --data " + path("rows.json") + " --images " + folder_.path() +
                " -o " + path("e")),
            1);
  const auto err = read_file(path("err"));
  EXPECT_THAT(err, AllOf(HasSubstr("base, ft:language, ft:connector failed on every record; first "
                                   "error of base: "),
                         HasSubstr("big.png"), HasSubstr("e' has the errors of all records")));
  EXPECT_EQ(err.find("Hint: "), err.rfind("Hint: ")) << err;
  auto results = read_json(path("e/results.json"));
  EXPECT_EQ(results["editors"][0]["failed"].size(), 1u);
  EXPECT_TRUE(fs::exists(path("e/report.html")));
}

TEST_F(BenchTest, RefusesBadArgumentsBeforeTheModelLoads) {
  testing::write_text(path("bad.yaml"), "ft: {stepz: 1}\n");
  testing::write_text(path("rows.json"), R"([{"src": "What?", "rephrase": "Which?", "pred": "a",
    "alt": "b", "image": "none.jpg", "image_rephrase": "none.jpg", "loc": "x", "loc_ans": "y",
    "m_loc": "none.jpg", "m_loc_q": "q", "m_loc_a": "a"}])");
  model = path("absent");  // argument errors must come before the model is opened
  expect_refused("--suite nothing", "nothing");
  expect_refused("--protocol nothing", "--protocol");
  expect_refused("--mode nothing", "--mode");
  expect_refused("--editors magic", "magic");
  expect_refused("--editors ft:language,ft:language", "twice");
  expect_refused("--editors ft:vision,ft:qformer", "the same editor, ft:connector");
  expect_refused("--editors ft:language,ft", "the same editor with the same settings");
  expect_refused("--editors ft:nowhere", "nowhere");
  expect_refused("--set stepz=3", "stepz");
  expect_refused("--set lora.rank=3", "lora");
  expect_refused("--sweep ft:language.stepz=1,2", "stepz");
  expect_refused("--sweep ft:language.steps=1", "only one value");
  expect_refused("--sweep ft:language.steps=1,,2", "is empty");
  expect_refused("--sweep ft:language.steps=1,1", "twice");
  expect_refused("--sweep ft.steps=1,2", "several editors");
  expect_refused("--sweep rome.layers=0,1", "not selected");
  expect_refused("--sweep steps=1,2", "EDITOR.SETTING");
  expect_refused("--editors base --sweep ft.steps=1,2", "not selected");
  expect_refused("--settings " + path("bad.yaml"), "stepz");
  expect_refused("--settings " + path("missing.yaml"), "missing.yaml");
  expect_refused("--hparams " + path("missing.yaml"), "missing.yaml");
  expect_refused("--split nothing", "nothing");
  expect_refused("--form nothing", "nothing");
  expect_refused("--data rows.json", "--data");
  expect_refused("--suite mmedit-json --data " + path("missing.json"), "missing.json");
  expect_refused("--suite mmedit-json --data " + path("rows.json") + " --images " + folder_.path(),
                 "none.jpg");
  expect_refused("--batch-size 0", "--batch-size");
  expect_refused("--judge-at 0", "--judge-at");
  expect_refused("--batch-size 3", "--batch-size has no effect in single mode");
  expect_refused("--judge-at 2", "--judge-at has no effect in single mode");
  expect_refused("--judge-sample 2 --mode batch", "--judge-sample has no effect in batch mode");
  expect_refused("--editors ,", "an empty name");
  expect_refused("--editors ft,", "an empty name");
  expect_refused("--suite mmedit-json --data " + path("rows.json") + " --form caption",
                 "--form has no effect with --suite mmedit-json");
  expect_refused("--suite mmedit-json --data " + path("rows.json") + " --split train",
                 "--split has no effect");
  expect_refused("--missing-images skip", "--missing-images has no effect with --suite scenes");
  expect_refused("--cache-memory much", "--cache-memory");
  expect_refused("--cache-dir /proc/none", "/proc/none");
  expect_refused("--no-reuse --cache-dir x", "--no-reuse");
  expect_refused("--answers loud", "--answers");
  EXPECT_EQ(run("--limit 1 -o " + path("bad.yaml")), 1);
  EXPECT_THAT(read_file(path("err")), HasSubstr("bad.yaml"));
}

}  // namespace
}  // namespace emend
