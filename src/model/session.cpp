#include "plumb/model/session.hpp"

#include <algorithm>
#include <string>

#include "plumb/model/check.hpp"
#include "plumb/model/transformer.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kMaxThreads = 4096, kMaxSequences = 1 << 16, kMaxBatch = 1 << 20;

int in_range(const char* name, int value, int low, int high) {
  if (value < low || value > high)
    throw Error(ErrorCode::invalid_argument, std::string(name) + " " + std::to_string(value) + ": expected " +
                                                 std::to_string(low) + " to " + std::to_string(high));
  return value;
}

int chosen_threads(const SessionOptions& options) {
  return in_range("threads", options.threads, 0, kMaxThreads) == 0 ? default_threads() : options.threads;
}

int chosen_context(const SessionOptions& options, const ModelConfig& config) {
  return in_range("context", options.context, 0, ConfigLimits::kContext) == 0 ? config.context : options.context;
}

/// No more rows than all sequences can hold together.
int chosen_batch(const SessionOptions& options, const ModelConfig& config) {
  const std::int64_t all = std::int64_t{chosen_context(options, config)} * options.sequences;
  return static_cast<int>(std::min<std::int64_t>(in_range("batch", options.batch, 1, kMaxBatch), all));
}

}  // namespace

Session::Session(Model model, const SessionOptions& options)
    : model_(std::move(model)),
      threads_(chosen_threads(options)),
      observer_(options.observer),
      cache_(model_.config(), chosen_context(options, model_.config()),
             in_range("sequences", options.sequences, 1, kMaxSequences), options.kv),
      scratch_(model_.config(), chosen_batch(options, model_.config()), cache_.context(), threads_),
      sequences_(static_cast<std::size_t>(options.sequences)),
      next_(sequences_.size()) {
  chunk_.reserve(static_cast<std::size_t>(batch()));
  scratch_.reserve_logits(options.sequences, model_.config().vocab_size);
}

const Session::Sequence& Session::sequence(int s) const {
  if (s < 0 || s >= sequences())
    throw Error(ErrorCode::out_of_range,
                "sequence " + std::to_string(s) + " of a session with " + std::to_string(sequences()));
  return sequences_[static_cast<std::size_t>(s)];
}

void Session::check_token(Token token) const {
  if (token < 0 || token >= model_.config().vocab_size)
    throw Error(ErrorCode::out_of_range,
                "token " + std::to_string(token) + " of a vocabulary of " + std::to_string(model_.config().vocab_size));
}

void Session::check(std::span<const BatchRow> rows) {
  if (rows.empty()) throw Error(ErrorCode::invalid_argument, "a forward pass needs at least one row");
  if (rows.size() > static_cast<std::size_t>(batch()))
    throw Error(ErrorCode::invalid_argument,
                std::to_string(rows.size()) + " rows for a session with a batch of " + std::to_string(batch()));
  for (int s = 0; s < sequences(); ++s) next_[static_cast<std::size_t>(s)] = length(s);
  for (const BatchRow& row : rows) {
    check_token(row.token);
    sequence(row.sequence);
    int& next = next_[static_cast<std::size_t>(row.sequence)];
    if (row.position != next)
      throw Error(ErrorCode::invalid_argument, "position " + std::to_string(row.position) + " in sequence " +
                                                   std::to_string(row.sequence) + ", expected " + std::to_string(next));
    if (next >= context())
      throw Error(ErrorCode::context_overflow, "position " + std::to_string(next) + " in sequence " +
                                                   std::to_string(row.sequence) + ": the context is " +
                                                   std::to_string(context()));
    ++next;
  }
}

void Session::forward(std::span<const BatchRow> rows) {
  check(rows);
  run(rows);
}

void Session::run(std::span<const BatchRow> rows) {
  const auto asked = std::count_if(rows.begin(), rows.end(), [](const BatchRow& row) { return row.logits; });
  scratch_.reserve_logits(asked, model_.config().vocab_size);
  ForwardPass pass(model_.transformer(), cache_, scratch_, rows, observer_ ? &observer_ : nullptr);
  if (trace_) trace_->begin_pass();
  run_parallel(
      threads_, [&](const Worker& worker) { pass.run(worker); }, trace_);
  if (trace_) trace_->end_pass();
  for (Sequence& sequence : sequences_) sequence.logits_row = -1;
  asked_ = 0;
  for (const BatchRow& row : rows) {
    Sequence& own = sequence(row.sequence);
    own.read.push_back(row.token);
    own.pending = kNoToken;
    own.logits_row = row.logits ? asked_++ : -1;
    cache_.extend(row.sequence, row.position + 1);
  }
}

std::span<const float> Session::logits(int i) const {
  if (i < 0 || i >= asked_)
    throw Error(ErrorCode::out_of_range, "logits of row " + std::to_string(i) + ": the last pass has " +
                                             std::to_string(asked_) + " rows of logits");
  return {scratch_.logits.row(i), static_cast<std::size_t>(model_.config().vocab_size)};
}

void Session::prefill(std::span<const Token> tokens, int s) {
  const Token pending = sequence(s).pending;
  if (tokens.empty()) throw Error(ErrorCode::invalid_argument, "no tokens to read: the prompt is empty");
  for (const Token token : tokens) check_token(token);
  const std::size_t first = pending == kNoToken ? 0 : 1;  // what was generated comes before what is new
  const std::size_t total = first + tokens.size();
  const std::size_t room = static_cast<std::size_t>(context() - length(s));
  if (total > room)
    throw Error(ErrorCode::context_overflow, std::to_string(total) + " tokens for a context of " +
                                                 std::to_string(context()) + " with room for " + std::to_string(room));
  for (std::size_t done = 0; done < total;) {
    const std::size_t count = std::min(total - done, static_cast<std::size_t>(batch()));
    chunk_.clear();
    for (std::size_t i = done; i < done + count; ++i)
      chunk_.push_back(
          {i < first ? pending : tokens[i - first], length(s) + static_cast<int>(i - done), s, i + 1 == total});
    run(chunk_);
    done += count;
  }
}

/// Logits of the last token of sequence s: read now if it was only handed out; read again if another pass has
/// overwritten them, which gives the same bits.
std::span<const float> Session::continuation_logits(int s) {
  Sequence& own = sequence(s);
  if (own.pending != kNoToken) {
    const Token token = own.pending;
    own.pending = kNoToken;
    decode(token, s);
  } else if (own.logits_row < 0) {
    const Token token = own.read.back();
    truncate(s, length(s) - 1);
    decode(token, s);
  }
  return logits(own.logits_row);
}

void Session::truncate(int s, int length) {
  cache_.truncate(s, length);
  Sequence& own = sequence(s);
  own.read.resize(static_cast<std::size_t>(length));
  own.pending = kNoToken;
  own.logits_row = -1;
}

void Session::copy(int from, int to, int length) {
  sequence(to);
  cache_.copy(from, to, length);
  Sequence& target = sequence(to);
  const Sequence& source = sequence(from);
  if (from != to) target.read.assign(source.read.begin(), source.read.begin() + length);
  target.read.resize(static_cast<std::size_t>(length));
  target.pending = kNoToken;
  target.logits_row = -1;
}

Generation Session::generate(const GenerateOptions& options, int s) { return Generation(*this, options, s); }

Generation::Generation(Session& session, const GenerateOptions& options, int s)
    : session_(&session),
      s_(s),
      max_tokens_(options.max_tokens),
      stop_at_end_(options.stop_at_end),
      sampler_(options.sampling, session.model().config().vocab_size) {
  const std::span<const Token> read = session.tokens(s);
  if (read.empty())
    throw Error(ErrorCode::invalid_argument,
                "nothing to continue: sequence " + std::to_string(s) + " has read no token");
  if (max_tokens_ < -1)
    throw Error(ErrorCode::invalid_argument, "max_tokens " + std::to_string(max_tokens_) + ": expected -1 or more");
  for (const Token token : read) sampler_.accept(token);
}

Generation::Iterator Generation::begin() {
  advance();
  return Iterator(this);
}

void Generation::advance() {
  if (stop_ != StopReason::none) return;
  if (max_tokens_ >= 0 && made_ >= max_tokens_) {
    stop_ = StopReason::max_tokens;
    return;
  }
  if (session_->sequence(s_).pending != kNoToken && session_->length(s_) >= session_->context()) {
    stop_ = StopReason::context_full;
    return;
  }
  token_ = sampler_.sample(session_->continuation_logits(s_));
  const Model& model = session_->model();
  if (stop_at_end_ && model.has_tokenizer() && model.tokenizer().is_end(token_)) {
    stop_ = StopReason::end_token;
    return;
  }
  session_->sequence(s_).pending = token_;
  ++made_;
}

}  // namespace plumb
