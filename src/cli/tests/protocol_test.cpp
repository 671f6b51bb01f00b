// The protocol options of `emend bench` and `emend edit`, and their record in results.
#include <sstream>

#include "cli/testing/program.h"
#include "io/json/json.h"
#include "tests/stored_folder.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class ProtocolProgramTest : public ProgramTest {
 protected:
  static void SetUpTestSuite() {
    ProgramTest::SetUpTestSuite();
    testing::copy_folder(*original_ / "model", *original_ / "fp16", at::kHalf);
  }
  static std::string bench(const std::string& options, const std::string& folder,
                           const std::string& model = "model") {
    return "bench -m {}/" + model +
           " --limit 4 --editors ft:language --set steps=3 --set lr=0.02 --answers forced " +
           options + " -o {}/" + folder;
  }
  static nlohmann::json results(const std::string& folder) {
    return read_json(path(folder + "/results.json"));
  }
  static nlohmann::json run_of(const std::string& options, const std::string& folder) {
    std::filesystem::remove_all(path(folder));
    const auto result = run(bench(options, folder));
    EXPECT_EQ(result.code, 0) << result.err;
    return results(folder);
  }
  // The answers of the unedited model, by probe.
  static std::vector<std::string> answers(const std::string& folder) {
    std::vector<std::string> all;
    std::istringstream lines(read_file(path(folder + "/samples.jsonl")));
    for (std::string line; std::getline(lines, line);) {
      const auto sample = nlohmann::json::parse(line);
      for (const auto& probe : sample["probes"]) all.push_back(probe["before"].get<std::string>());
    }
    return all;
  }
};

TEST_F(ProtocolProgramTest, BosIsRecordedAndChangesTheAnswers) {
  const auto by_protocol = run_of("", "auto")["config"]["protocol"]["bos"];
  EXPECT_EQ(by_protocol["requested"], "none");
  EXPECT_EQ(by_protocol["used"], "absent");
  const auto always = run_of("--bos always", "always")["config"]["protocol"]["bos"];
  EXPECT_EQ(always["requested"], "always");
  EXPECT_EQ(always["used"], "present");
  const auto never = run_of("--bos never", "never")["config"]["protocol"]["bos"];
  EXPECT_EQ(never["requested"], "never");
  EXPECT_EQ(never["used"], "absent");
  EXPECT_EQ(answers("never"), answers("auto"));  // mmedit-2024 omits BOS for this model
  EXPECT_NE(answers("always"), answers("auto"));
  // Another choice is another run.
  expect_refused(bench("--bos always", "never"), "config.protocol.bos.requested");

  const std::string edit = std::string(kEdit) + "--allow-failed -o {}/a.patch --bos ";
  const auto edited = run_json(edit + "never");
  EXPECT_EQ(edited["metrics"]["protocol"]["bos"]["used"], "absent");
  EXPECT_EQ(run_json(edit + "always")["metrics"]["protocol"]["bos"]["used"], "present");
  EXPECT_EQ(run_json("inspect {}/a.patch")["effect"]["metrics"]["protocol"]["bos"]["requested"],
            "always");
  EXPECT_EQ(edited["metrics"]["scores"]["reliability"]["score"], 1.0);
  std::filesystem::remove(path("a.patch"));
}

TEST_F(ProtocolProgramTest, RankingDtypeIsRecordedAndChangesLocality) {
  std::map<std::string, double> scores;
  for (const std::string dtype : {"auto", "float32", "float16", "bfloat16"}) {
    const auto json = run_of("--ranking-dtype " + dtype, dtype);
    const auto& ranking = json["config"]["protocol"]["ranking_dtype"];
    EXPECT_EQ(ranking["requested"], dtype);
    EXPECT_EQ(ranking["used"], dtype == "auto" ? "float32" : dtype);
    scores[dtype] = json["editors"][1]["groups"]["image_locality"]["score"].get<double>();
    // Whatever is ranked, the unedited model agrees with itself, and accuracy is not ranked.
    EXPECT_EQ(json["editors"][0]["groups"]["image_locality"]["score"], 1.0);
    EXPECT_EQ(json["editors"][1]["groups"]["reliability"],
              results("auto")["editors"][1]["groups"]["reliability"]);
  }
  EXPECT_EQ(scores["float32"], scores["auto"]);
  EXPECT_NE(scores["bfloat16"], scores["float32"]);
  const auto edited =
      run_json(std::string(kEdit) + "--allow-failed -o {}/a.patch --ranking-dtype bfloat16");
  EXPECT_EQ(edited["metrics"]["protocol"]["ranking_dtype"]["used"], "bfloat16");
  std::filesystem::remove(path("a.patch"));
}

// run.json has the dtype that was used for this model, which is not known when the run is resumed.
TEST_F(ProtocolProgramTest, ResumedRunsKeepTheRecordedDtype) {
  ASSERT_EQ(run(bench("", "stored", "fp16")).code, 0);
  const auto whole = read_file(path("stored/samples.jsonl"));
  const auto ranking = results("stored")["config"]["protocol"]["ranking_dtype"];
  EXPECT_EQ(ranking["requested"], "auto");
  EXPECT_EQ(ranking["used"], "float16");
  const auto before = read_file(path("stored/run.json"));
  EXPECT_THAT(before, HasSubstr("\"used\""));
  testing::write_text(path("stored/samples.jsonl"), whole.substr(0, whole.size() / 2));
  const auto resumed = run(bench("", "stored", "fp16"));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(read_file(path("stored/samples.jsonl")), whole);
  EXPECT_EQ(read_file(path("stored/run.json")), before);
  EXPECT_EQ(results("stored")["config"]["protocol"]["ranking_dtype"]["used"], "float16");
  expect_refused(bench("--ranking-dtype float16", "stored", "fp16"),
                 "config.protocol.ranking_dtype.requested was \"auto\" and is now \"float16\"");
  expect_refused(bench("", "stored"), "config.dtype_reason");
}

}  // namespace
}  // namespace emend
