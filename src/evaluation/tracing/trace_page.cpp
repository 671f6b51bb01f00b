#include "evaluation/tracing/trace_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "evaluation/tracing/canvas.h"
#include "evaluation/tracing/heat_map.h"

namespace emend {

extern const char* const kReportCss;  // report/page/page.css

namespace {

std::string with_error(double value, double error, int64_t records) {
  return records > 1 ? fmt::format("{:.3f} ± {:.3f}", value, error) : fmt::format("{:.3f}", value);
}

// "language.block 3-4", "language.embed to block 1": the best layer and its neighbors with at least
// half of its effect.
std::string layer_span(const TraceMap& map, size_t row, size_t best) {
  const auto& effects = map.effects[row];
  const auto enough = [&](size_t l) {
    return effects[l].probability >= 0.5 * effects[best].probability;
  };
  const auto is_number = [](const std::string& name) {
    return std::isdigit(static_cast<unsigned char>(name[0])) != 0;
  };
  size_t first = best, last = best;
  while (first > 0 && enough(first - 1)) --first;
  while (last + 1 < effects.size() && enough(last + 1)) ++last;
  const auto &begin = map.layers[first], &end = map.layers[last];
  const auto begin_dot = begin.rfind('.'), end_dot = end.rfind('.');
  const auto from = begin.substr(begin_dot + 1), to = end.substr(end_dot + 1);
  // "language.block", and "block" alone in a span.
  const auto stem = begin.substr(0, begin_dot), last_stem = end.substr(0, end_dot);
  const auto single = is_number(from) ? stem + " " + from : begin;
  if (first == last) return single;
  if (stem == last_stem && is_number(from) && is_number(to)) return single + "-" + to;
  const auto short_stem = last_stem.substr(last_stem.rfind('.') + 1);
  return single + " to " + (is_number(to) ? short_stem + " " + to : to);
}

std::string located(const TraceRuns& runs, const TraceLocation& location) {
  for (const auto& map : runs.maps) {
    if (map.module != location.module || map.component != location.component) continue;
    const auto row = map.row(location.group);
    const auto at = std::find(map.layers.begin(), map.layers.end(), location.layer);
    if (row < 0 || at == map.layers.end()) continue;
    const auto l = static_cast<size_t>(at - map.layers.begin());
    if (map.effects[row][l].probability == location.effect.probability)
      return layer_span(map, static_cast<size_t>(row), l);
  }
  return location.layer;
}

// As escaped_markup, with line breaks.
std::string escaped_markup_lines(const std::string& text) {
  std::string lines;
  for (size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines += escaped_markup(text.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return lines;
}

std::string text_row(const std::string& name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped_markup(name), escaped_markup(value));
}

std::string locations_table(const TraceRuns& runs) {
  std::string rows;
  for (const char* component : {"residual", "attention", "mlp"})
    for (const auto& location : locate(runs, component))
      rows += fmt::format(
          "<tr><td "
          "class=\"name\">{}</td><td>{}</td><td>{}</td><td>{:.3f}</td><td>{:.3f}</td></tr>\n",
          escaped_markup(located(runs, location)), component, escaped_markup(location.group),
          location.effect.probability, location.effect.log_probability);
  return "<div class=\"card scroll\"><table><thead><tr><th>layers</th><th>component</th>"
         "<th>restored at</th><th>effect on p(answer)</th><th>effect on log p</th></tr></thead>"
         "<tbody>\n" +
         rows + "</tbody></table></div>\n";
}

std::string runs_html(const TraceResult& result, const TraceRuns& runs) {
  std::string html = fmt::format("<section><div class=\"head\"><h2>{}</h2></div>\n",
                                 escaped_markup(runs_title(result, runs)));
  html += "<div class=\"tiles\">";
  for (const auto& [name, value] :
       {std::pair{"clean p(answer)", fmt::format("{:.3f}", runs.clean.probability)},
        std::pair{"corrupted",
                  with_error(runs.score.probability, runs.error.probability, runs.records)},
        std::pair{"total effect", fmt::format("{:.3f}", runs.total_effect())},
        std::pair{"can be undone", fmt::format("{:.0f} %", 100 * runs.reversible)}})
    html += fmt::format("<div class=\"card tile\"><b>{}</b><span>{}</span></div>\n", value, name);
  html += "</div>\n" + locations_table(runs);
  html += "<div class=\"card pad scroll\" style=\"margin-top:12px\">" +
          heat_map_svg(runs, runs_title(result, runs)) + "</div>\n";
  html += "<div class=\"card pad scroll\" style=\"margin-top:12px\"><h3>Indirect effect by layer" +
          std::string(runs.records > 1 ? ", with standard errors" : "") + "</h3>" +
          effect_plot_svg(runs) + "</div></section>\n";
  return html;
}

}  // namespace

std::string runs_title(const TraceResult& result, const TraceRuns& runs) {
  const auto what = runs.corrupted == "text" ? std::string("subject") : std::string("picture");
  const auto how =
      runs.kind == "noise" || runs.kind == "pixel_noise"
          ? fmt::format("{} {:g} x {:.3g}", runs.kind == "noise" ? "noise" : "pixel noise",
                        runs.factor, runs.sigma)
          : runs.kind;
  auto title = fmt::format("Corrupted {} ({}): {:.3f} to {:.3f}", what, how, runs.clean.probability,
                           runs.score.probability);
  if (result.records > 1) title += fmt::format(", {} questions", runs.records);
  return title;
}

std::vector<std::string> trace_summary(const TraceResult& result) {
  std::vector<std::string> lines;
  for (const auto& runs : result.runs) {
    std::string line = runs.corrupted == "text" ? "known: " : "seen: ";
    std::string found;
    // The MLP is where ROME and its successors write. The residual stream shows the path.
    for (const char* component : {"residual", "attention", "mlp"})
      for (const auto& location : locate(runs, component))
        if (location.effect.probability >= 0.005)
          found += fmt::format("{}{} ({} at {}, indirect effect {:.2f})", found.empty() ? "" : "\n",
                               located(runs, location), component, location.group,
                               location.effect.probability);
    if (found.empty()) {
      lines.push_back(line + "no state has an effect of 0.005 or more");
      continue;
    }
    for (size_t begin = 0; begin < found.size();) {
      const auto end = std::min(found.find('\n', begin), found.size());
      lines.push_back(line + found.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return lines;
}

std::string trace_page(const std::string& title, const nlohmann::json& facts,
                       const std::vector<TracePagePart>& parts) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
      "<title>{0}</title>\n<style>\n{1}\n</style>\n</head>\n<body>\n"
      "<div class=\"bar\"><div class=\"wrap bar-in\"><span class=\"brand\"><b>emend</b> "
      "trace</span></div></div>\n<main class=\"wrap\">\n<h1>{0}</h1>\n"
      "<p class=\"lead\">The answer's probability with clean states restored in a corrupted run. "
      "The indirect effect of a state is the restored probability minus the corrupted one.</p>\n",
      escaped_markup(title), kReportCss);
  for (const auto& part : parts) {
    const auto& result = part.result;
    if (!part.kind.empty())
      html += "<h1>" + std::string(question_kind_title(part.kind)) + "</h1>\n";
    if (part.questions)
      html += fmt::format(
          "<p class=\"sub\">{} traced, {} left out because the model answers them wrongly, {} "
          "failed.</p>\n",
          part.questions->traced, part.questions->wrong, part.questions->failed);
    if (part.kind.empty())
      html += "<dl class=\"facts card pad\">" + text_row("prompt", result.prompt) +
              text_row("traced answer", result.target) +
              (result.subject.empty() ? "" : text_row("subject", result.subject)) + "</dl>\n";
    for (const auto& note : result.notes)
      html += "<p class=\"note\">" + escaped_markup(note) + "</p>\n";
    if (!part.picture.empty())
      html += "<p><img alt=\"The parts of the picture by their effect\" src=\"" + part.picture +
              "\"></p>\n";
    for (const auto& runs : result.runs) html += runs_html(result, runs);
  }
  html +=
      "<section><details class=\"plain\"><summary>Settings</summary><pre class=\"card pad\">" +
      escaped_markup_lines(facts.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) +
      "</pre></details></section>\n</main>\n<footer class=\"wrap\">emend " EMEND_VERSION
      "</footer>\n</body>\n</html>\n";
  return html;
}

}  // namespace emend
