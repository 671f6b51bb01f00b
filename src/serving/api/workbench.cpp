#include "serving/api/workbench.h"

#include <fmt/format.h>

#include <optional>

#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/report/report.h"
#include "io/files/file.h"
#include "io/files/file_reader.h"
#include "io/json/json.h"
#include "serving/api/model_facts.h"
#include "serving/api/orders/ask.h"
#include "serving/api/orders/edit_order.h"
#include "serving/api/orders/export_order.h"
#include "serving/api/orders/trace_order.h"
#include "serving/api/storage/runs.h"
#include "serving/base64.h"
#include "serving/http_routes.h"
#include "serving/plain_name.h"
#include "serving/request_fields.h"

namespace emend {

// Embedded by cmake/embed.cmake.
extern const char* const kWorkbenchHtml;
extern const char* const kWorkbenchCss;
extern const char* const kWorkbenchJs;

namespace {

using nlohmann::json;
using Request = httplib::Request;
using Response = httplib::Response;

constexpr int64_t kMostAlternatives = 50;
constexpr int64_t kAskTokens = 32;
constexpr std::chrono::seconds kKeepAlive{15};
constexpr uint64_t kFilePiece = uint64_t{1} << 20;

constexpr const char* kPagePolicy =
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
// A report is one page with its scripts, styles and pictures, in a frame of the workbench.
constexpr const char* kReportPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'";

void send_page(Response& response, const std::string& text, const char* type, const char* policy) {
  response.set_header("Content-Security-Policy", policy);
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Cache-Control", "no-store");
  response.set_content(text, type);
}

// Sends a file of any size in pieces.
void send_patch_file(Response& response, const std::string& name, const std::string& path) {
  const FileReader file(path);
  response.set_header("Content-Disposition",
                      fmt::format("attachment; filename=\"{}.patch\"", name));
  response.set_content_provider(
      file.size(), "application/octet-stream",
      [file](size_t offset, size_t length, httplib::DataSink& sink) {
        try {
          const auto bytes = file.read(offset, std::min<uint64_t>(length, kFilePiece));
          return sink.write(bytes.data(), bytes.size());
        } catch (const Error&) {
          return false;  // the file was removed; the client sees an incomplete answer
        }
      });
}

}  // namespace

struct Workbench::State {
  State(const Vlm& model, ModelNames& model_names, Engine& runner, WorkbenchOptions given)
      : vlm(model),
        models(model_names),
        engine(runner),
        options(std::move(given)),
        workspace(options.workspace.get()),
        library(vlm, models, workspace),
        jobs(engine, workspace) {}

  WorkContext context() {
    return {vlm, models, library, workspace, options.arguments, options.run_facts, options.seed};
  }

  void need_workspace() const {
    if (!workspace)
      throw ApiError(400, "invalid_request_error",
                     "the server has no workspace; start the server with --workspace");
  }

  std::string runs_folder() const {
    if (!options.runs.empty()) return options.runs;
    return workspace ? workspace->runs_folder() : std::string();
  }

  json facts() {
    const std::lock_guard lock(facts_mutex);
    if (model.is_null()) {
      model = model_facts(vlm);
      model["workspace"] = workspace ? json(workspace->folder()) : json();
    }
    return model;
  }

  json ask(json body) {
    const auto begin = std::chrono::steady_clock::now();
    check_fields(body,
                 {"prompt", "image", "patches", "max_new_tokens", "alternatives", "template"});
    const auto text = required_text(body, "prompt");
    AskRequest request;
    request.alternatives = whole_field(body, "alternatives", 5, 0, kMostAlternatives);
    const auto& config = vlm.processor.generation;
    request.max_new_tokens =
        whole_field(body, "max_new_tokens",
                    std::min(config.max_new_tokens > 0 ? config.max_new_tokens : kAskTokens,
                             options.max_new_tokens),
                    1, options.max_new_tokens);
    const auto names = take_patches(context(), body);
    PromptOptions prompting;
    prompting.bare = !flag_field(body, "template", true);
    // The picture is not kept: a question leaves nothing in the workspace.
    if (body.contains("image") && !body["image"].is_null()) {
      if (!body["image"].is_string())
        refuse_request("image", "'image' must be a data URL of a picture");
      if (!vlm.model->reads_pictures()) refuse_request("image", "this model reads text only");
      request.query.image = picture_from_url(body["image"].get<std::string>(), "image").image;
    }
    const bool wraps = vlm.processor.wraps(request.query.image.has_value());
    request.query.text = fill_template(prompt_template(prompting, text, wraps), text);
    const auto stack = models.find(names ? library.model_name(*names) : library.model_name());
    json answer;
    engine.perform(
        [&] {
          answer = with_request_errors("prompt", [&] {
            return ask_with_probabilities(vlm, *stack, request, &engine.store());
          });
        },
        Engine::TaskLength::quick);
    answer["seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return answer;
  }

  json add_patch(const json& body) {
    check_fields(body, {"name", "data"});
    const auto name = required_text(body, "name");
    if (!body.contains("data") || !body["data"].is_string())
      refuse_request("data", "'data' must be the base64 of a patch file");
    const auto bytes = decode_base64(body["data"].get_ref<const std::string&>());
    if (!bytes) refuse_request("data", "'data' is not valid base64");
    library.reserve(name);
    const auto release = std::shared_ptr<void>(nullptr, [&](void*) { library.release(name); });
    const auto path = fmt::format("{}/.upload-{}", workspace->folder(), name);
    write_file(path, std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
    const auto removal = std::shared_ptr<void>(nullptr, [&](void*) { std::remove(path.c_str()); });
    try {
      library.save(name, load_patch(path), /*activate=*/false);
    } catch (const Error& error) {
      // Clients do not know the temporary file.
      auto text = problem_of(error);
      if (const auto at = text.find(path); at != std::string::npos)
        text.replace(at, path.size(), "the patch file");
      refuse_request("data", text);
    }
    return library.describe(name);
  }

  json set_stack(const json& body) {
    check_fields(body, {"stack"});
    if (!body.contains("stack") || body["stack"].is_null())
      refuse_request("stack", "'stack' is missing");
    library.set_stack(texts_field(body, "stack", 1000));
    return library.list();
  }

  template <class Order>
  std::string submit(const char* kind, json body) {
    const auto order = std::make_shared<Order>(context(), std::move(body));
    std::function<void()> release;
    if constexpr (std::is_same_v<Order, EditOrder>) {
      order->reserve_name();
      release = [this, order] { library.release(order->name()); };
    }
    try {
      return jobs.submit(
          kind, order->title(), order->body(),
          [order](JobProgress& progress) { return order->run(progress); }, release);
    } catch (const ApiError&) {
      if (release) release();
      throw;
    }
  }

  // Events of a job until it ends. Progress that comes faster than a client reads is left out.
  void send_events(const std::string& id, Response& response) {
    jobs.get(id);  // an unknown job is an error before the stream begins
    response.set_header("Cache-Control", "no-store");
    response.set_chunked_content_provider(
        "text/event-stream", [this, id](size_t, httplib::DataSink& sink) {
          const auto send = [&](const std::string& text) {
            return sink.write(text.data(), text.size());
          };
          const auto event = [&](const std::string& name, const json& data) {
            return send(fmt::format("event: {}\ndata: {}\n\n", name, json_text(data)));
          };
          uint64_t seen = 0;
          auto last = std::chrono::steady_clock::now();
          for (;;) {
            const auto change = jobs.wait(id, seen, std::chrono::milliseconds(500));
            const auto now = std::chrono::steady_clock::now();
            bool open = sink.is_writable();
            if (open && change.ended()) {
              event(change.status, jobs.get(id));
              sink.done();
              return true;
            }
            if (open && change.version != seen) {
              open = event("progress", change.progress);
              last = now;
            } else if (open && now - last >= kKeepAlive) {
              open = send(": keep-alive\n\n");
              last = now;
            }
            if (!open) return false;
            seen = change.version;
          }
        });
  }

  void add_page(HttpRoutes& routes) {
    const auto file = [&](const char* path, const char* text, const char* type) {
      routes.get(
          path,
          [text, type](const Request&, Response& response) {
            send_page(response, text, type, kPagePolicy);
          },
          /*with_token=*/false);
    };
    file("/", kWorkbenchHtml, "text/html; charset=utf-8");
    file(R"(/workbench\.css)", kWorkbenchCss, "text/css; charset=utf-8");
    file(R"(/workbench\.js)", kWorkbenchJs, "text/javascript; charset=utf-8");
  }

  void add_patch_routes(HttpRoutes& routes) {
    routes.get("/api/patches",
               [this](const Request&, Response& response) { send_json(response, library.list()); });
    routes.get("/api/patches/([^/]+)", [this](const Request& request, Response& response) {
      send_json(response, library.describe(request.matches[1]));
    });
    routes.get("/api/patches/([^/]+)/file", [this](const Request& request, Response& response) {
      const std::string name = request.matches[1];
      send_patch_file(response, name, library.file(name));
    });
    routes.post("/api/patches", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, add_patch(body_json(request)), 201);
    });
    routes.put("/api/stack", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, set_stack(body_json(request)));
    });
    routes.remove("/api/patches/([^/]+)", [this](const Request& request, Response& response) {
      need_workspace();
      library.remove(request.matches[1]);
      send_json(response, library.list());
    });
  }

  void add_job_routes(HttpRoutes& routes) {
    routes.post("/api/edits", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, {{"job", submit<EditOrder>("edit", body_json(request))}}, 202);
    });
    routes.post("/api/edits/command", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, {{"command", EditOrder(context(), body_json(request)).command()}});
    });
    routes.post("/api/trace", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, {{"job", submit<TraceOrder>("trace", body_json(request))}}, 202);
    });
    routes.post("/api/exports", [this](const Request& request, Response& response) {
      need_workspace();
      send_json(response, {{"job", submit<ExportOrder>("export", body_json(request))}}, 202);
    });
    routes.get("/api/jobs", [this](const Request&, Response& response) {
      send_json(response, {{"jobs", jobs.list()}});
    });
    routes.get("/api/jobs/([^/]+)", [this](const Request& request, Response& response) {
      send_json(response, jobs.get(request.matches[1]));
    });
    routes.get("/api/jobs/([^/]+)/events", [this](const Request& request, Response& response) {
      send_events(request.matches[1], response);
    });
    routes.remove("/api/jobs/([^/]+)", [this](const Request& request, Response& response) {
      const std::string id = request.matches[1];
      jobs.cancel(id);
      send_json(response, jobs.get(id));
    });
  }

  void add_run_routes(HttpRoutes& routes) {
    routes.get("/api/runs", [this](const Request&, Response& response) {
      send_json(response, {{"runs", list_runs(runs_folder())}});
    });
    routes.get("/api/runs/([^/]+)", [this](const Request& request, Response& response) {
      const auto folder = run_folder(runs_folder(), request.matches[1]);
      send_json(response, read_json(folder + "/results.json"));
    });
    routes.get("/api/runs/([^/]+)/report", [this](const Request& request, Response& response) {
      std::vector<std::string> folders = {run_folder(runs_folder(), request.matches[1])};
      if (request.has_param("with"))
        folders.push_back(run_folder(runs_folder(), request.get_param_value("with")));
      const auto page = with_request_errors("with", [&] { return report_page(folders); });
      send_page(response, page, "text/html; charset=utf-8", kReportPolicy);
    });
  }

  const Vlm& vlm;
  ModelNames& models;
  Engine& engine;
  WorkbenchOptions options;
  const Workspace* workspace;  // of the options
  PatchLibrary library;
  JobTable jobs;  // last: its thread uses all the others
  std::mutex facts_mutex;
  json model;  // facts about it, made when they are first asked for
};

Workbench::Workbench(const Vlm& vlm, ModelNames& models, Engine& engine, WorkbenchOptions options)
    : state_(std::make_unique<State>(vlm, models, engine, std::move(options))) {}

Workbench::~Workbench() = default;

PatchLibrary& Workbench::library() { return state_->library; }

void Workbench::add_routes(HttpRoutes& routes) {
  auto& state = *state_;
  state.add_page(routes);
  routes.get("/api/model",
             [&state](const Request&, Response& response) { send_json(response, state.facts()); });
  routes.post("/api/ask", [&state](const Request& request, Response& response) {
    send_json(response, state.ask(body_json(request)));
  });
  state.add_patch_routes(routes);
  state.add_job_routes(routes);
  state.add_run_routes(routes);
}

void Workbench::stop() { state_->jobs.stop(); }

}  // namespace emend
