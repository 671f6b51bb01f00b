// Measures what the traces of questions of Scenes cost with shared runs, and with one complete pass
// for each restored state and noise row, and compares their effects.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "editing/tracing/trace.h"
#include "io/runtime.h"
#include "run_benchmark.h"
#include "suites/suite.h"

namespace emend::bench {
namespace {

struct Timed {
  TraceResult result;
  double seconds = 0;
};

Timed timed_trace(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                  bool share) {
  ActivationStore store(ActivationStore::Options{});
  TraceContext context;
  context.share = share;
  if (share) context.store = &store;
  const auto begin = std::chrono::steady_clock::now();
  Timed timed{trace(vlm, query, options, context)};
  timed.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return timed;
}

struct Difference {
  double most = 0;
  size_t states = 0;
};

Difference difference_of(const TraceResult& a, const TraceResult& b) {
  Difference difference;
  for (size_t r = 0; r < a.runs.size(); ++r)
    for (size_t m = 0; m < a.runs[r].maps.size(); ++m)
      for (size_t g = 0; g < a.runs[r].maps[m].groups.size(); ++g)
        for (size_t l = 0; l < a.runs[r].maps[m].layers.size(); ++l) {
          ++difference.states;
          difference.most =
              std::max(difference.most, std::abs(a.runs[r].maps[m].effects[g][l].probability -
                                                 b.runs[r].maps[m].effects[g][l].probability));
        }
  return difference;
}

int run(int argc, char** argv) {
  CLI::App app("Measures what a trace costs with and without shared runs.");
  std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2", image = "gray";
  int threads = 0, grid = 0;
  int64_t rows = 10;
  app.add_option("-m,--model", folder)->capture_default_str();
  app.add_option("--image", image, "corruption of the picture")->capture_default_str();
  app.add_option("--rows", rows, "number of noise rows")->capture_default_str();
  app.add_option("--grid", grid, "grid over the picture")->capture_default_str();
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  threads = set_threads(threads);
  const auto vlm = load_vlm(folder);
  SuiteOptions suite_options;
  const auto suite = open_suite("scenes", suite_options);
  size_t index = 0;
  while (suite->record(index).subject.empty()) ++index;
  const auto record = suite->record(index);
  TraceOptions options;
  options.image = image;
  options.rows = rows;
  options.grid = grid;
  fmt::print("{}, {} threads, question \"{}\"\n{:<28}{:>8}{:>12}{:>14}{:>8}{:>14}\n", folder,
             threads, record.prompt, "", "states", "shared s", "complete s", "ratio", "difference");
  const auto measure = [&](const char* name, const TraceQuery& query, TraceOptions own) {
    const auto shared = timed_trace(vlm, query, own, true);
    const auto complete = timed_trace(vlm, query, own, false);
    const auto difference = difference_of(shared.result, complete.result);
    fmt::print("{:<28}{:>8}{:>12.3f}{:>14.3f}{:>8.1f}{:>14.1e}\n", name, difference.states,
               shared.seconds, complete.seconds, complete.seconds / shared.seconds,
               difference.most);
  };
  TraceQuery query;
  query.image = record.image;
  query.prompt = "Question: " + record.prompt + " Short answer:";
  query.question = record.prompt;
  query.subject = record.subject;
  auto only = options;
  only.text = "none";
  measure("corrupted picture", query, only);
  only = options;
  only.image = "none";
  measure("corrupted subject, picture", query, only);
  for (const auto& probe : record.probes)
    if (probe.group == Group::text_locality) {
      TraceQuery text;
      text.prompt = probe.text;
      text.subject = probe.subject;
      measure("corrupted subject, text", text, only);
      break;
    }
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
