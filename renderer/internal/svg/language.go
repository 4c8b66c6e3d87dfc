package svg

import (
	"regexp"
	"strings"
)

// fallbacks are MediaWiki's replacements of languages that have several spellings
// (languages/messages/Messages*.php, $fallback). For all other languages a drawing has a label, or
// shows its default.
var fallbacks = map[string][]string{
	"zh": {"zh-hans", "zh-cn"}, "zh-cn": {"zh-hans"}, "zh-sg": {"zh-hans"}, "zh-my": {"zh-sg", "zh-hans"}, "zh-hans": {"zh-cn", "zh"},
	"zh-tw": {"zh-hant"}, "zh-hk": {"zh-hant", "zh-tw"}, "zh-mo": {"zh-hk", "zh-hant", "zh-tw"}, "zh-hant": {"zh-tw", "zh-hk"},
	"sr": {"sr-cyrl", "sr-ec"}, "sr-ec": {"sr-cyrl", "sr"}, "sr-el": {"sr-latn"}, "sr-cyrl": {"sr-ec", "sr"}, "sr-latn": {"sr-el"},
	"kk-arab": {"kk-cn"}, "kk-cn": {"kk-arab"}, "kk-cyrl": {"kk-kz", "kk"}, "kk-kz": {"kk-cyrl", "kk"}, "kk-latn": {"kk-tr"}, "kk-tr": {"kk-latn"},
	"als": {"gsw"}, "no": {"nb"}, "nb": {"no"}, "be-x-old": {"be-tarask"}, "be-tarask": {"be-x-old"}, "zh-yue": {"yue"}, "zh-min-nan": {"nan"},
	"pt-br": {"pt"}, "de-at": {"de"}, "de-ch": {"de"}, "en-gb": {"en"}, "en-ca": {"en"},
}

// tagged matches the languages that librsvg accepts (BCP 47), in lower case.
var tagged = regexp.MustCompile(`^[a-z]{2,8}(-([a-z][a-z0-9]{1,7}|[a-z]-[a-z0-9]{2,8}|[0-9][a-z0-9]{3}|[0-9]{3}))*$`)

// Accept returns the value of librsvg's --accept-language for a requested language and a drawing's
// languages. The value is the requested language if the drawing has it; else the languages that it is a
// prefix of, as in SVG's systemLanguage; else MediaWiki's replacement; else the requested language. "" and
// words that are not languages mean English.
func Accept(asked string, languages []string) string {
	asked = strings.ToLower(asked)
	if !tagged.MatchString(asked) {
		asked = "en"
	}
	for _, wanted := range append([]string{asked}, fallbacks[asked]...) {
		if found := matching(wanted, languages); found != "" {
			return found
		}
	}
	return asked
}

// matching returns the languages that match the wanted language, separated by commas, or "" if no language
// matches.
func matching(wanted string, languages []string) string {
	var longer []string
	for _, l := range languages {
		l = strings.ToLower(l)
		if l == wanted {
			return wanted
		}
		if strings.HasPrefix(l, wanted+"-") && tagged.MatchString(l) {
			longer = append(longer, l)
		}
	}
	return strings.Join(longer, ",")
}
