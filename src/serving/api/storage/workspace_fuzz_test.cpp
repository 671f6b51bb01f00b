#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/files/file.h"
#include "io/files/path.h"
#include "io/testing.h"
#include "serving/api/job_table.h"
#include "serving/api/storage/patch_library.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using nlohmann::json;

// A server starts with damaged records of jobs, which it leaves out or lists, and with a damaged
// stack, which it leaves out and keeps.
TEST(WorkspaceFuzz, DamagedFilesAreLeftOut) {
  const TemporaryFolder folder;
  testing::write_tiny_vlm(folder.file("model"), 0);
  const auto vlm = load_vlm(folder.file("model"));
  ModelNames models(vlm);
  Engine engine(vlm, models);
  const Workspace workspace(folder.file("work"));
  const json record = {{"id", "000001"},
                       {"kind", "edit"},
                       {"title", "What? => cat"},
                       {"status", "done"},
                       {"created", 17},
                       {"seconds", 1.5},
                       {"part", "saving"},
                       {"step", nullptr},
                       {"steps", nullptr},
                       {"loss", nullptr},
                       {"error", "none"},
                       {"request", {{"prompt", "?"}}},
                       {"result", {{"patch", "cat"}}}};
  const std::vector<std::string> records = {record.dump(1), record.dump()};
  const std::vector<std::string> stacks = {R"({"stack": ["a", "b"]})", R"({"stack": []})"};
  Mutator mutator(7);
  int listed = 0, damaged = 0;
  for (int i = 0; i < 80; ++i) {
    write_file(folder.file("work/jobs/000001.json"), mutator.mutate(records));
    const JobTable jobs(engine, &workspace);
    const auto list = jobs.list();
    listed += static_cast<int>(list.size());
    if (!list.empty()) {
      EXPECT_EQ(jobs.get("000001")["id"], "000001");
      EXPECT_FALSE(list.dump(-1, ' ', false, json::error_handler_t::replace).empty());
    }
    write_file(folder.file("work/stack.json"), mutator.mutate(stacks));
    const PatchLibrary library(vlm, models, &workspace);
    EXPECT_TRUE(library.stack().empty());
    damaged += !path_exists(folder.file("work/stack.json"));
  }
  EXPECT_GT(listed, 0);
  EXPECT_LT(listed, 80);
  EXPECT_GT(damaged, 0);
  EXPECT_LT(damaged, 80);
}

}  // namespace
}  // namespace emend
