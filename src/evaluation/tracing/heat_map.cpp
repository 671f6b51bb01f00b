#include "evaluation/tracing/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "editing/tracing/trace_options.h"
#include "evaluation/tracing/canvas.h"

namespace emend {
namespace {

constexpr int kCell = 16, kTitle = 24, kPanelTitle = 20, kTicks = 18, kGap = 14, kMargin = 10;

// Parts of the grid and single query tokens have no rows in a figure.
bool is_part(const std::string& group) {
  return group.starts_with("image ") || group.starts_with("query ");
}

std::vector<size_t> shown_rows(const TraceMap& map) {
  std::vector<size_t> rows;
  for (size_t g = 0; g < map.groups.size(); ++g)
    if (map.groups[g] == "query tokens" || !is_part(map.groups[g])) rows.push_back(g);
  return rows;
}

const char* module_title(Module module) {
  return module == Module::language    ? "language"
         : module == Module::connector ? "connector"
                                       : "vision tower";
}

std::string component_title(const TraceMap& map) {
  if (map.component == "residual") return "residual stream";
  return fmt::format("{}, {} block{}", map.component == "mlp" ? "MLP" : map.component, map.window,
                     map.window == 1 ? "" : "s");
}

// language.block.3 -> 3; language.embed -> E.
std::string tick_of(const std::string& layer) {
  const auto name = layer.substr(layer.rfind('.') + 1);
  if (std::isdigit(static_cast<unsigned char>(name[0]))) return name;
  return std::string(1, static_cast<char>(std::toupper(static_cast<unsigned char>(name[0]))));
}

Color blended(Color color, double share) {
  Color mixed{};
  for (size_t i = 0; i < 3; ++i)
    mixed[i] =
        static_cast<uint8_t>(std::lround(255 + (color[i] - 255) * std::clamp(share, 0.0, 1.0)));
  return mixed;
}

Color base_color(const std::string& component) {
  if (component == "residual") return {84, 39, 143};
  if (component == "mlp") return {0, 109, 44};
  return {165, 15, 21};
}

bool is_corrupted(const TraceRuns& runs, const std::string& group) {
  return runs.corrupted == "text" ? group.starts_with("subject")
                                  : group == "image" || group == "query tokens" || group == "all";
}

// The panels of a figure: rows of components, columns of modules.
struct Figure {
  std::vector<std::vector<const TraceMap*>> rows;  // null: the module has no such map
  std::vector<int> widths, lefts, heights;
  int labels = 0, width = 0, height = 0;
  double most = 1e-9;

  explicit Figure(const TraceRuns& runs) {
    std::vector<Module> modules;
    for (const auto& map : runs.maps)
      if (std::find(modules.begin(), modules.end(), map.module) == modules.end())
        modules.push_back(map.module);
    std::vector<std::string> titles;
    for (const char* component : {"residual", "attention", "mlp"})
      for (const auto& map : runs.maps) {
        if (map.component != component) continue;
        const auto title = component_title(map);
        auto row = std::find(titles.begin(), titles.end(), title) - titles.begin();
        if (row == static_cast<int64_t>(titles.size())) {
          titles.push_back(title);
          rows.emplace_back(modules.size(), nullptr);
        }
        rows[row][std::find(modules.begin(), modules.end(), map.module) - modules.begin()] = &map;
      }
    widths.assign(modules.size(), 0);
    for (const auto& row : rows) {
      int most_rows = 1;
      for (size_t m = 0; m < row.size(); ++m) {
        if (!row[m]) continue;
        const auto title =
            std::string(module_title(row[m]->module)) + ": " + component_title(*row[m]);
        widths[m] = std::max({widths[m], static_cast<int>(row[m]->layers.size()) * kCell,
                              static_cast<int>(title.size()) * 8});
        const auto shown = shown_rows(*row[m]);
        most_rows = std::max(most_rows, static_cast<int>(shown.size()));
        for (auto g : shown) {
          labels = std::max(labels, static_cast<int>(row[m]->groups[g].size()) * 8 + 24);
          for (const auto& effect : row[m]->effects[g]) most = std::max(most, effect.probability);
        }
      }
      heights.push_back(kPanelTitle + most_rows * kCell + kTicks);
    }
    int x = kMargin;
    for (auto& panel : widths) {
      lefts.push_back(x + labels);
      x += labels + panel + kGap;
    }
    width = std::max(x + kMargin, 420);
    height = kMargin + kTitle + kPanelTitle + kMargin;
    for (auto panel : heights) height += panel + kGap;
  }
};

void draw_panel(Canvas& canvas, const TraceRuns& runs, const TraceMap& map, int left, int top,
                double most) {
  canvas.text(left, top + kPanelTitle / 2,
              fmt::format("{}: {}", module_title(map.module), component_title(map)));
  int y = top + kPanelTitle;
  for (auto g : shown_rows(map)) {
    const auto& group = map.groups[g];
    canvas.text(left - 6, y + kCell / 2, is_corrupted(runs, group) ? group + " *" : group,
                Canvas::Align::right);
    for (size_t l = 0; l < map.layers.size(); ++l) {
      const auto effect = map.effects[g][l].probability;
      const auto color = effect < 0 ? blended({120, 120, 120}, -effect / most)
                                    : blended(base_color(map.component), effect / most);
      canvas.rectangle(
          left + static_cast<int>(l) * kCell, y, kCell - 1, kCell - 1, color,
          fmt::format(
              "{}, {}: {:+.3f}{}", group, map.layers[l], effect,
              map.errors.empty() ? "" : fmt::format(" ({:.3f})", map.errors[g][l].probability)));
    }
    y += kCell;
  }
  const size_t step = map.layers.size() > 14 ? 4 : 1;
  for (size_t l = 0; l < map.layers.size(); l += step)
    canvas.text(left + static_cast<int>(l) * kCell + kCell / 2, y + kTicks / 2,
                tick_of(map.layers[l]), Canvas::Align::center);
}

void draw_figure(Canvas& canvas, const Figure& figure, const TraceRuns& runs,
                 const std::string& title) {
  canvas.text(kMargin, kMargin + kTitle / 2, title);
  // The scale of colors.
  int y = kMargin + kTitle;
  const int steps = 60;
  canvas.text(kMargin, y + kPanelTitle / 2, "indirect effect on p(answer): 0");
  const int bar = kMargin + 260;
  for (int i = 0; i < steps; ++i)
    canvas.rectangle(bar + i, y + 4, 1, 10, blended({70, 70, 70}, i / double{steps}), {});
  canvas.text(bar + steps + 6, y + kPanelTitle / 2, fmt::format("{:.2f}", figure.most));
  y += kPanelTitle;
  for (size_t r = 0; r < figure.rows.size(); ++r) {
    for (size_t m = 0; m < figure.rows[r].size(); ++m)
      if (const auto* map = figure.rows[r][m])
        draw_panel(canvas, runs, *map, figure.lefts[m], y, figure.most);
    y += figure.heights[r] + kGap;
  }
}

// A line of the plot: the effects of one map at one group.
struct EffectLine {
  std::string label;
  Color color;
  std::vector<std::optional<TraceScore>> effects, errors;
};

struct Rectangle {
  double left, top, width, height;
};

// The part of the picture that a model sees; larger than the picture where it is padded.
Rectangle seen_part(const Image& picture, const ImageProcessor& processor) {
  const double width = picture.width, height = picture.height;
  if (processor.do_pad && processor.tile == 0) {
    const auto side = std::max(width, height);
    return {(width - side) / 2, (height - side) / 2, side, side};
  }
  if (processor.do_center_crop && processor.shortest_edge > 0) {
    const auto side = std::min(width, height);
    const auto share = [&](int crop) {
      return side * static_cast<double>(crop) / processor.shortest_edge;
    };
    const auto w = share(processor.crop_width), h = share(processor.crop_height);
    return {(width - w) / 2, (height - h) / 2, w, h};
  }
  return {0, 0, width, height};
}

// The map with parts of the picture; null: none.
const TraceMap* parts_map(const TraceResult& result) {
  const TraceMap* found = nullptr;
  for (const auto& runs : result.runs)
    for (const auto& map : runs.maps)
      if (runs.corrupted == "image" && map.component == "residual" && map.picture_parts() > 0)
        if (!found || map.module == Module::language) found = &map;
  return found;
}

// The group of each part of a picture, row by row. A part without a group has that of the nearest
// part: the grid can be finer than the patches.
std::vector<size_t> group_of_parts(const TraceMap& map, int64_t grid) {
  struct Part {
    int64_t row, column;
    size_t group;
  };
  std::vector<Part> parts;
  for (int64_t r = 0; r < grid; ++r)
    for (int64_t c = 0; c < grid; ++c)
      if (const auto g = map.row(fmt::format("image {},{}", r + 1, c + 1)); g >= 0)
        parts.push_back({r, c, static_cast<size_t>(g)});
  std::vector<size_t> groups;
  for (int64_t r = 0; r < grid && !parts.empty(); ++r)
    for (int64_t c = 0; c < grid; ++c) {
      const auto distance = [&](const Part& part) {
        return (part.row - r) * (part.row - r) + (part.column - c) * (part.column - c);
      };
      groups.push_back(std::min_element(parts.begin(), parts.end(),
                                        [&](const Part& a, const Part& b) {
                                          return distance(a) < distance(b);
                                        })
                           ->group);
    }
  return groups;
}

}  // namespace

std::string heat_map_svg(const TraceRuns& runs, const std::string& title) {
  const Figure figure(runs);
  SvgCanvas canvas(figure.width, figure.height);
  draw_figure(canvas, figure, runs, title);
  return canvas.svg();
}

Image heat_map_image(const TraceRuns& runs, const std::string& title) {
  const Figure figure(runs);
  PixelCanvas canvas(figure.width, figure.height);
  draw_figure(canvas, figure, runs, title);
  return canvas.image();
}

std::string effect_plot_svg(const TraceRuns& runs) {
  std::vector<std::string> layers;
  for (const auto& map : runs.maps)
    for (const auto& layer : map.layers)
      if (std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(layer);
  std::vector<EffectLine> lines;
  double most = 1e-9;
  for (const auto& map : runs.maps) {
    if (map.window > 1) continue;
    for (size_t g = 0; g < map.groups.size(); ++g) {
      const auto& group = map.groups[g];
      const bool last = group == "last";
      if (!last && (!is_corrupted(runs, group) || group == "subject last")) continue;
      const auto label = fmt::format("{} at {}", map.component == "mlp" ? "MLP" : map.component,
                                     last                       ? "the last token"
                                     : runs.corrupted == "text" ? "the subject"
                                                                : "the picture");
      auto line = std::find_if(lines.begin(), lines.end(),
                               [&](const auto& known) { return known.label == label; });
      if (line == lines.end()) {
        const auto strong = base_color(map.component);
        lines.push_back({label, last ? blended(strong, 0.5) : strong,
                         std::vector<std::optional<TraceScore>>(layers.size()),
                         std::vector<std::optional<TraceScore>>(layers.size())});
        line = lines.end() - 1;
      }
      for (size_t l = 0; l < map.layers.size(); ++l) {
        const auto at = std::find(layers.begin(), layers.end(), map.layers[l]) - layers.begin();
        line->effects[at] = map.effects[g][l];
        if (!map.errors.empty()) line->errors[at] = map.errors[g][l];
        most = std::max(most, map.effects[g][l].probability);
      }
    }
  }
  const int step = std::clamp(760 / std::max<int>(1, static_cast<int>(layers.size())), 14, 46);
  const int left = 46, high = 180, top = 12;
  const int width = left + step * static_cast<int>(layers.size()) + 190;
  const auto y_of = [&](double effect) {
    return top + static_cast<int>(std::lround(high * (1 - std::clamp(effect / most, -0.1, 1.1))));
  };
  SvgCanvas canvas(width, top + high + 60);
  for (double share : {0.0, 0.5, 1.0}) {
    canvas.rectangle(left, y_of(share * most), step * static_cast<int>(layers.size()), 1,
                     {225, 229, 235}, {});
    canvas.text(left - 6, y_of(share * most), fmt::format("{:.2f}", share * most),
                Canvas::Align::right);
  }
  const int bars = std::max(1, static_cast<int>(lines.size()));
  const int bar = std::max(2, (step - 4) / bars);
  for (size_t l = 0; l < layers.size(); ++l) {
    const int x = left + static_cast<int>(l) * step;
    for (size_t i = 0; i < lines.size(); ++i) {
      const auto& effect = lines[i].effects[l];
      if (!effect) continue;
      const int at = x + static_cast<int>(i) * bar, zero = y_of(0), end = y_of(effect->probability);
      canvas.rectangle(
          at, std::min(zero, end), bar - 1, std::max(std::abs(zero - end), 1), lines[i].color,
          fmt::format("{}, {}: {:+.3f}", lines[i].label, layers[l], effect->probability));
      if (const auto& error = lines[i].errors[l]) {
        const int upper = y_of(effect->probability + error->probability);
        const int lower = y_of(effect->probability - error->probability);
        canvas.rectangle(at + (bar - 1) / 2, upper, 1, std::max(lower - upper, 1), {20, 24, 32},
                         {});
      }
    }
    if (layers.size() <= 30 || l % 4 == 0)
      canvas.text(x + step / 2, top + high + 12, tick_of(layers[l]), Canvas::Align::center);
  }
  // The modules below the ticks.
  for (size_t l = 0; l < layers.size();) {
    const auto module = layers[l].substr(0, layers[l].find('.'));
    size_t end = l;
    while (end < layers.size() && layers[end].starts_with(module + ".")) ++end;
    canvas.rectangle(left + static_cast<int>(l) * step, top + high + 24,
                     static_cast<int>(end - l) * step - 4, 2, {120, 130, 145}, {});
    canvas.text(left + static_cast<int>(l + end) * step / 2, top + high + 36,
                module == "vision_tower" ? "vision tower" : module, Canvas::Align::center);
    l = end;
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const int x = left + step * static_cast<int>(layers.size()) + 10;
    const int y = top + static_cast<int>(i) * 18;
    canvas.rectangle(x, y, 10, 10, lines[i].color, {});
    canvas.text(x + 16, y + 5, lines[i].label);
  }
  return canvas.svg();
}

Image picture_overlay(const Image& picture, const ImageProcessor& processor,
                      const TraceResult& result) {
  const auto* map = parts_map(result);
  if (!map || result.grid == 0) return {};
  const auto groups = group_of_parts(*map, result.grid);
  if (groups.empty()) return {};
  const auto effect_at = [&](int64_t row, int64_t column, size_t layer) {
    const auto group = groups[static_cast<size_t>(row * result.grid + column)];
    return std::max(0.0, map->effects[group][layer].probability);
  };
  size_t layer = 0;
  double best = -1, most = 1e-9;
  for (size_t l = 0; l < map->layers.size(); ++l) {
    double sum = 0;
    for (int64_t r = 0; r < result.grid; ++r)
      for (int64_t c = 0; c < result.grid; ++c) sum += effect_at(r, c, l);
    if (sum > best) {
      best = sum;
      layer = l;
    }
  }
  for (int64_t r = 0; r < result.grid; ++r)
    for (int64_t c = 0; c < result.grid; ++c) most = std::max(most, effect_at(r, c, layer));
  const auto seen = seen_part(picture, processor);
  Image overlay = picture;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      const auto part = [&](double at, double begin, double size) {
        return static_cast<int64_t>(
            std::floor((at + 0.5 - begin) / size * static_cast<double>(result.grid)));
      };
      const auto row = part(y, seen.top, seen.height), column = part(x, seen.left, seen.width);
      if (row < 0 || column < 0 || row >= result.grid || column >= result.grid) continue;
      const double share = effect_at(row, column, layer) / most;
      auto* rgb = &overlay.rgb[3 * (static_cast<size_t>(y) * static_cast<size_t>(picture.width) +
                                    static_cast<size_t>(x))];
      // What has no effect becomes gray, and what has one is tinted.
      const double gray = (0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]) * 0.6 + 90;
      const Color tint = {214, 40, 40};
      for (size_t i = 0; i < 3; ++i)
        rgb[i] = static_cast<uint8_t>(std::lround(
            std::clamp((1 - share) * gray + share * (0.5 * rgb[i] + 0.5 * tint[i]), 0.0, 255.0)));
    }
  return overlay;
}

}  // namespace emend
