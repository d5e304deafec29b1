#include "xattn/training/training_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "core/text.h"
#include "io/json.h"
#include "training/lines.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

using nlohmann::json;

constexpr auto kLog = "TrainingLog";

/// The numbers that every line has, by their names there; a step is none of them.
template <class Entry, class Visit>
void visit_numbers(Entry& entry, const Visit& visit) {
  visit("loss", entry.loss);
  visit("lr", entry.learning_rate);
  visit("pictures_per_second", entry.pictures_per_second);
  visit("seconds", entry.seconds);
}

std::string line_of(const TrainingLogEntry& entry) {
  const auto number = [](double value) {
    return std::isfinite(value) ? json(value).dump() : std::string("null");
  };
  auto text = cat("{\"step\":", entry.step);
  const auto add = [&](const std::string& name, double value) {
    text += cat(",", json(name).dump(), ":", number(value));
  };
  visit_numbers(entry, add);
  for (const auto& [name, value] : entry.more) add(name, value);
  return text + "}\n";
}

TrainingLogEntry entry_of(const io::File& file, const training::Line& line) {
  const auto refuse = [&](std::string_view what) {
    file.fail(cat("line ", line.number, ": ", what));
  };
  const auto [value, problem] =
      io::parse_json(line.text, {.levels = 2, .text_bytes = training::kLongestLine});
  if (!problem.empty()) refuse(problem);
  if (!value.is_object()) refuse(cat("expected a JSON object, got ", io::shown(value)));
  TrainingLogEntry entry;
  const auto step = value.find("step");
  if (step == value.end() || !step->is_number_unsigned()) {
    refuse(cat("step: expected a whole number, got ",
               step == value.end() ? "none" : io::shown(*step)));
  }
  entry.step = step->get<int64_t>();
  for (const auto& item : value.items()) {
    const auto& found = item.value();
    if (!found.is_number() && !found.is_null()) {
      refuse(cat(item.key(), ": expected a number or null, got ", io::shown(found)));
    }
    const auto number =
        found.is_null() ? std::numeric_limits<double>::quiet_NaN() : found.get<double>();
    bool is_ours = item.key() == "step";
    visit_numbers(entry, [&](const char* name, double& member) {
      if (item.key() != name) return;
      member = number;
      is_ours = true;
    });
    if (!is_ours) entry.more[item.key()] = number;
  }
  return entry;
}

/// Calls `take` with each whole line, and returns where the last of them ends.
std::uint64_t for_each_entry(
    const io::File& file,
    const std::function<void(const TrainingLogEntry&, const training::Line&)>& take) {
  std::uint64_t end = 0;
  int64_t last_step = 0;
  training::for_each_line(file, [&](const training::Line& line) {
    if (!line.is_whole) return;
    const auto entry = entry_of(file, line);
    if (entry.step <= last_step) {
      file.fail(
          cat("line ", line.number, ": expected a step after ", last_step, ", got ", entry.step));
    }
    last_step = entry.step;
    end = line.end;
    take(entry, line);
  });
  return end;
}

}  // namespace

struct TrainingLog::Output {
  Output(const std::string& path, int flags)
      : subject{kLog, path},
        descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0666)) {
    if (descriptor.get() >= 0) return;
    subject.fail(errno == EEXIST ? "expected no log of another run, got one; resume it"
                                 : cat("cannot be opened: ", std::strerror(errno)));
  }

  void cut(std::uint64_t size) {
    if (::ftruncate(descriptor.get(), static_cast<off_t>(size)) != 0) {
      subject.fail(cat("cannot be cut to ", size, " bytes: ", std::strerror(errno)));
    }
    bytes = size;
  }

  io::Subject subject;
  io::Descriptor descriptor;
  std::uint64_t bytes = 0;
  int64_t step = 0;
  double seconds = 0;
};

TrainingLog::TrainingLog(std::unique_ptr<Output> output) : output_(std::move(output)) {}
TrainingLog::TrainingLog(TrainingLog&&) noexcept = default;
TrainingLog& TrainingLog::operator=(TrainingLog&&) noexcept = default;
TrainingLog::~TrainingLog() = default;

TrainingLog TrainingLog::begin(const std::string& path) {
  return TrainingLog(std::make_unique<Output>(path, O_EXCL));
}

TrainingLog TrainingLog::resume(const std::string& path, int64_t step) {
  if (!io::exists({kLog, path})) return begin(path);
  std::uint64_t kept = 0;
  auto output = std::make_unique<Output>(path, 0);
  for_each_entry(io::File(kLog, path),
                 [&](const TrainingLogEntry& entry, const training::Line& line) {
                   if (entry.step > step) return;
                   kept = line.end;
                   output->step = entry.step;
                   output->seconds = entry.seconds;
                 });
  output->cut(kept);
  return TrainingLog(std::move(output));
}

void TrainingLog::append(const TrainingLogEntry& entry) {
  auto& output = *output_;
  const auto refuse = [&](std::string_view what) {
    throw ValueError(cat("[", kLog, "] ", output.subject.path, ": ", what));
  };
  if (entry.step <= output.step) {
    refuse(cat("step: expected one after ", output.step, ", got ", entry.step));
  }
  visit_numbers(entry, [&](const char* name, double) {
    if (entry.more.count(name) != 0) refuse(cat("more: expected names of its own, got ", name));
  });
  if (entry.more.count("step") != 0) refuse("more: expected names of its own, got step");
  const auto line = line_of(entry);
  ssize_t put = 0;
  do {
    put = ::write(output.descriptor.get(), line.data(), line.size());
  } while (put < 0 && errno == EINTR);
  if (put != static_cast<ssize_t>(line.size())) {
    const auto problem = put < 0 ? errno : ENOSPC;
    output.cut(output.bytes);  // so that no half of a line is before the next one
    output.subject.fail(cat("cannot be written: ", std::strerror(problem)));
  }
  output.bytes += line.size();
  output.step = entry.step;
  output.seconds = entry.seconds;
}

void TrainingLog::sync() {
  if (::fsync(output_->descriptor.get()) != 0) {
    output_->subject.fail(cat("cannot be made durable: ", std::strerror(errno)));
  }
}

double TrainingLog::seconds() const {
  return output_->seconds;
}

std::vector<TrainingLogEntry> read_training_log(const std::string& path) {
  std::vector<TrainingLogEntry> entries;
  for_each_entry(
      io::File("read_training_log", path),
      [&](const TrainingLogEntry& entry, const training::Line&) { entries.push_back(entry); });
  return entries;
}

}  // namespace xattn
