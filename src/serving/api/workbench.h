#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serving/api/storage/patch_library.h"
#include "serving/engine.h"

namespace emend {

class HttpRoutes;

// What a workbench reads and writes.
struct WorkbenchOptions {
  std::shared_ptr<const Workspace> workspace;  // null: nothing is written, and edits are refused
  std::string runs;  // folder of results of `emend bench`; empty: runs/ of the workspace
  int64_t max_new_tokens = 1024;
  // Of reports and equivalent commands: the facts of the run, the options of the model, the seed.
  nlohmann::json run_facts = nlohmann::json::object();
  std::vector<std::string> arguments;
  int64_t seed = 0;
};

// The workbench of a server: the page at `/`, and the requests of `/api`, which docs/serving.md
// describes. Edits, traces and exports are jobs.
class Workbench {
 public:
  Workbench(const Vlm& vlm, ModelNames& models, Engine& engine, WorkbenchOptions options);
  ~Workbench();

  // The patches, to which --patch adds others.
  PatchLibrary& library();
  void add_routes(HttpRoutes& routes);
  // Ends all jobs. Events of jobs end, too, so that the server can stop.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace emend
