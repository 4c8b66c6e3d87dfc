package svg

import (
	"regexp"
	"strings"
)

// fallbacks are MediaWiki's, of languages that are written in more ways than one
// (languages/messages/Messages*.php, $fallback). Others have a label of their own, or the
// drawing's default.
var fallbacks = map[string][]string{
	"zh": {"zh-hans", "zh-cn"}, "zh-cn": {"zh-hans"}, "zh-sg": {"zh-hans"}, "zh-my": {"zh-sg", "zh-hans"}, "zh-hans": {"zh-cn", "zh"},
	"zh-tw": {"zh-hant"}, "zh-hk": {"zh-hant", "zh-tw"}, "zh-mo": {"zh-hk", "zh-hant", "zh-tw"}, "zh-hant": {"zh-tw", "zh-hk"},
	"sr": {"sr-cyrl", "sr-ec"}, "sr-ec": {"sr-cyrl", "sr"}, "sr-el": {"sr-latn"}, "sr-cyrl": {"sr-ec", "sr"}, "sr-latn": {"sr-el"},
	"kk-arab": {"kk-cn"}, "kk-cn": {"kk-arab"}, "kk-cyrl": {"kk-kz", "kk"}, "kk-kz": {"kk-cyrl", "kk"}, "kk-latn": {"kk-tr"}, "kk-tr": {"kk-latn"},
	"als": {"gsw"}, "no": {"nb"}, "nb": {"no"}, "be-x-old": {"be-tarask"}, "be-tarask": {"be-x-old"}, "zh-yue": {"yue"}, "zh-min-nan": {"nan"},
	"pt-br": {"pt"}, "de-at": {"de"}, "de-ch": {"de"}, "en-gb": {"en"}, "en-ca": {"en"},
}

// tagged are the languages that librsvg takes for such (BCP 47), in lower case.
var tagged = regexp.MustCompile(`^[a-z]{2,8}(-([a-z][a-z0-9]{1,7}|[a-z]-[a-z0-9]{2,8}|[0-9][a-z0-9]{3}|[0-9]{3}))*$`)

// Accept tells librsvg's --accept-language which of a drawing's languages are those that
// are asked for: the very language, else those that it is a prefix of, as SVG's systemLanguage
// has it, else those by which MediaWiki replaces it. English is asked for by "", and by what
// is no language.
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

// matching lists those of the languages that match one that is wanted; "" for none.
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
