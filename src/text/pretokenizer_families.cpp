/// @file
/// The published pre-tokenizer patterns: `pre_tokenizer` in the tokenizer.json of the models named.

#include "pretokenizer.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr SplitStep pattern(std::string_view text) { return {SplitStep::Kind::pattern, text}; }

// English endings, as a prefix of a pattern: 's 't 're 've 'm 'll 'd in either case.
#define PLUMB_ENDINGS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
// What follows the words in most patterns since 2023: punctuation with the newlines after it, white space up to the
// last newline, white space but for its last character, white space.
#define PLUMB_REST R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define PLUMB_REST_SLASH R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

// Han, Hiragana, Katakana: as far as the DeepSeek patterns count them.
#define PLUMB_CJK R"(\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF})"

constexpr SplitStep kGpt2Words = pattern(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))");
constexpr SplitStep kEachNumber = pattern(R"(\p{N})");

constexpr SplitStep kGpt2[] = {kGpt2Words};
constexpr SplitStep kStarcoder[] = {kEachNumber, kGpt2Words};
constexpr SplitStep kDefault[] = {pattern(R"([\p{P}$+<=>^~|]+)"), kGpt2Words, pattern(R"(\p{N}+)"),
                                  pattern("[0-9]{3}")};
constexpr SplitStep kFalcon[] = {pattern(R"([\p{P}$+<=>^~|`]+)"), kGpt2Words, pattern("[0-9]{3}")};

constexpr SplitStep kLlama3[] = {pattern(PLUMB_ENDINGS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" PLUMB_REST)};
constexpr SplitStep kQwen2[] = {pattern(PLUMB_ENDINGS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" PLUMB_REST)};
constexpr SplitStep kQwen35[] = {pattern(
    PLUMB_ENDINGS R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")};
constexpr SplitStep kSeedCoder[] = {
    pattern(PLUMB_ENDINGS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)")};
constexpr SplitStep kLaguna[] = {pattern(R"([^\n]+|\n+)"), kQwen2[0]};
constexpr SplitStep kBailing[] = {pattern(
    R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)")};
constexpr SplitStep kMiniCpm5[] = {pattern(R"(\p{N}{1,3})"),
                                   pattern(PLUMB_ENDINGS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+)" PLUMB_REST)};
// Words of several letter groups with single spaces between them are one piece.
constexpr SplitStep kExaoneMoe[] = {pattern(
    PLUMB_ENDINGS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}[\p{L}\p{M}]*+(?: \p{L}[\p{L}\p{M}]*+)*+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)")};

constexpr SplitStep kTekken[] = {pattern(
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N})" PLUMB_REST_SLASH)};
constexpr SplitStep kGpt4o[] = {
    pattern(R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" PLUMB_ENDINGS
            R"(?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" PLUMB_ENDINGS
            R"(?|\p{N}{1,3})" PLUMB_REST_SLASH)};
// The published pattern takes the script Han out of its classes of letters. The same here: a class is all that is not
// Han nor of a category that it lacks. The script is spelled out, because versions of PCRE2 differ in what \p{Han}
// means.
#define PLUMB_HAN \
  R"(\x{2E80}-\x{2E99}\x{2E9B}-\x{2EF3}\x{2F00}-\x{2FD5}\x{3005}\x{3007}\x{3021}-\x{3029}\x{3038}-\x{303B}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FA6D}\x{FA70}-\x{FAD9}\x{16FE2}\x{16FE3}\x{16FF0}\x{16FF1}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B739}\x{2B740}-\x{2B81D}\x{2B820}-\x{2CEA1}\x{2CEB0}-\x{2EBE0}\x{2EBF0}-\x{2EE5D}\x{2F800}-\x{2FA1D}\x{30000}-\x{3134A}\x{31350}-\x{323AF})"
#define PLUMB_NOT_LOWER "[^" PLUMB_HAN R"(\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}])"
#define PLUMB_NOT_UPPER "[^" PLUMB_HAN R"(\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}])"
constexpr SplitStep kKimi[] = {pattern("[" PLUMB_HAN R"(]+|[^\r\n\p{L}\p{N}]?)" PLUMB_NOT_LOWER "*" PLUMB_NOT_UPPER
                                       "+" PLUMB_ENDINGS R"(?|[^\r\n\p{L}\p{N}]?)" PLUMB_NOT_LOWER "+" PLUMB_NOT_UPPER
                                       "*" PLUMB_ENDINGS R"(?|\p{N}{1,3})" PLUMB_REST)};
constexpr SplitStep kYoutu[] = {
    pattern(
        R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[)" PLUMB_CJK
        R"(]+)"),
    pattern(R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" PLUMB_ENDINGS
            R"(?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" PLUMB_ENDINGS
            R"(?|\p{N})" PLUMB_REST_SLASH)};

// `\s+$` written so that a long run of spaces inside a text is looked at once and not once per space.
constexpr SplitStep kSpacesAtEnd = pattern(R"((?<!\s)\s++\z)");
constexpr SplitStep kDeepSeekHan = pattern(R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)");
constexpr SplitStep kDeepSeekLlm[] = {
    pattern(R"([\r\n])"),
    // Cased letters: \p{Lu} and \p{Ll} of an early Unicode version, spelled out in the model's file.
    pattern(
        R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)"),
    // `:-~` is a range in the model's file too: it takes in the letters that the step before left.
    pattern(R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)"), kSpacesAtEnd,
    kDeepSeekHan, pattern(R"(\p{N}+)")};
constexpr SplitStep kDeepSeekCoder[] = {pattern(R"([\r\n])"), pattern(R"(\s?\p{L}+)"), pattern(R"(\s?\p{P}+)"),
                                        kDeepSeekHan, kEachNumber};
constexpr SplitStep kDeepSeekWords = pattern(
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
constexpr SplitStep kDeepSeekV3[] = {pattern(R"(\p{N}{1,3})"), pattern("[" PLUMB_CJK "]+"), kDeepSeekWords};
constexpr SplitStep kAfmoe[] = {
    {SplitStep::Kind::digit_triples, {}},
    pattern(
        R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{E40}-\x{E7F}\x{E80}-\x{EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)"),
    kDeepSeekWords};

constexpr SplitStep kBloomWords = pattern(R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4},)]+)");
constexpr SplitStep kBloom[] = {kBloomWords};
constexpr SplitStep kViking[] = {kBloomWords, kEachNumber};
constexpr SplitStep kChameleon[] = {pattern("<sentinel:[0-9]+>"),       pattern("IMGIMG[A-I]{1,4}Z"),
                                    pattern(R"([\t\n]|    |  )"),       kEachNumber,
                                    pattern(R"([\p{P}!-/:-@\[-`{-~])"), kGpt2Words};
constexpr SplitStep kSuperbpe[] = {{SplitStep::Kind::ascii_triples, {}}};

struct Entry {
  std::string_view name;
  PretokenizerFamily family;
};

constexpr bool kYes = true, kNo = false;
//                               steps, ignore_merges, add_bos, clean_up_spaces
constexpr Entry kEntries[] = {
    {"", {kDefault, kNo, kNo, kYes}},
    {"default", {kDefault, kNo, kNo, kYes}},
    {"a.x-4.0", {kGpt2, kNo, kNo, kYes}},
    {"afmoe", {kAfmoe, kNo, kNo, kNo}},
    {"bailingmoe", {kBailing, kNo, kNo, kNo}},
    {"bailingmoe2", {kBailing, kNo, kNo, kNo}},
    {"bloom", {kBloom, kNo, kNo, kYes}},
    {"chameleon", {kChameleon, kNo, kYes, kNo}},
    {"chatglm-bpe", {kLlama3, kNo, kNo, kYes}},
    {"codeshell", {kStarcoder, kNo, kNo, kYes}},
    {"command-r", {kStarcoder, kNo, kNo, kNo}},
    {"dbrx", {kLlama3, kNo, kNo, kYes}},
    {"deepseek-coder", {kDeepSeekCoder, kNo, kNo, kNo}},
    {"deepseek-llm", {kDeepSeekLlm, kNo, kNo, kNo}},
    {"deepseek-r1-qwen", {kQwen2, kNo, kNo, kNo}},
    {"deepseek-v3", {kDeepSeekV3, kNo, kNo, kNo}},
    {"exaone", {kStarcoder, kNo, kNo, kYes}},
    {"exaone-moe", {kExaoneMoe, kNo, kNo, kYes}},
    {"exaone4", {kGpt2, kNo, kNo, kYes}},
    {"falcon", {kFalcon, kNo, kNo, kYes}},
    {"falcon-h1", {kLlama3, kYes, kYes, kYes}},
    {"falcon3", {kLlama3, kYes, kYes, kYes}},
    {"gigachat", {kGpt2, kNo, kNo, kYes}},
    {"glm4", {kLlama3, kNo, kNo, kYes}},
    {"gpt-2", {kGpt2, kNo, kNo, kYes}},
    {"gpt-4o", {kGpt4o, kNo, kNo, kNo}},
    {"gpt3-finnish", {kBloom, kNo, kNo, kYes}},
    {"granite-docling", {kGpt2, kNo, kNo, kNo}},
    {"grok-2", {kQwen2, kNo, kNo, kNo}},
    {"hunyuan", {kQwen2, kNo, kNo, kNo}},
    {"hunyuan-dense", {kDeepSeekV3, kNo, kNo, kNo}},
    {"jais", {kGpt2, kNo, kNo, kYes}},
    {"joyai-llm", {kDeepSeekV3, kNo, kNo, kNo}},
    {"kanana2", {kGpt4o, kNo, kNo, kNo}},
    {"kimi-k2", {kKimi, kNo, kNo, kNo}},
    {"laguna", {kLaguna, kNo, kNo, kNo}},
    {"lfm2", {kLlama3, kYes, kYes, kYes}},
    {"llada-moe", {kBailing, kNo, kNo, kNo}},
    {"llama-bpe", {kLlama3, kYes, kYes, kYes}},
    {"llama-v3", {kLlama3, kYes, kYes, kYes}},
    {"llama3", {kLlama3, kYes, kYes, kYes}},
    {"llama4", {kGpt4o, kNo, kNo, kNo}},
    {"megrez", {kQwen2, kNo, kNo, kYes}},
    {"mellum", {kGpt2, kNo, kNo, kYes}},
    {"midm-2.0", {kLlama3, kYes, kYes, kYes}},
    {"minerva-7b", {kStarcoder, kNo, kNo, kYes}},
    {"minicpm5", {kMiniCpm5, kYes, kNo, kYes}},
    {"minimax-m2", {kGpt4o, kNo, kNo, kNo}},
    {"mpt", {kGpt2, kNo, kNo, kYes}},
    {"olmo", {kGpt2, kNo, kNo, kYes}},
    {"phi-2", {kGpt2, kNo, kNo, kYes}},
    {"pixtral", {kLlama3, kYes, kYes, kYes}},
    {"poro-chat", {kBloom, kNo, kNo, kNo}},
    {"qwen2", {kQwen2, kNo, kNo, kNo}},
    {"qwen35", {kQwen35, kNo, kNo, kNo}},
    {"refact", {kStarcoder, kNo, kNo, kYes}},
    {"seed-coder", {kSeedCoder, kNo, kNo, kNo}},
    {"smaug-bpe", {kLlama3, kNo, kNo, kYes}},
    {"smollm", {kStarcoder, kNo, kNo, kNo}},
    {"solar-open", {kQwen2, kNo, kNo, kNo}},
    {"stablelm2", {kQwen2, kNo, kNo, kYes}},
    {"starcoder", {kStarcoder, kNo, kNo, kYes}},
    {"superbpe", {kSuperbpe, kNo, kNo, kNo}},
    {"tekken", {kTekken, kYes, kYes, kNo}},
    {"trillion", {kGpt2, kNo, kNo, kNo}},
    {"viking", {kViking, kNo, kNo, kNo}},
    {"youtu", {kYoutu, kYes, kNo, kNo}},
};

}  // namespace

const PretokenizerFamily* find_pretokenizer(std::string_view name) {
  for (const Entry& entry : kEntries)
    if (entry.name == name) return &entry.family;
  return nullptr;
}

}  // namespace plumb
