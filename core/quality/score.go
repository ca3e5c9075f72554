package quality

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/headwater-cdp/headwater/core/profile"
)

// How two people are compared: after I. P. Fellegi and A. B. Sunter, "A Theory for Record
// Linkage", Journal of the American Statistical Association 64 (1969). What they agree on
// adds log2(m/u) bits, what they disagree on log2((1-m)/(1-u)): m is how often one person's
// two profiles agree there, u how often two strangers do. For u the share of people who
// have the value is taken, so that a rare name says more than a common one. What one of
// them lacks says nothing. The prior odds that two of n people are one are 1:n.

// feature is something that people are compared by.
type feature struct {
	name  string
	paths []string // of traits, the first that has a value
	m     float64  // how often one person's profiles agree
	fold  func(string) string
	near  bool // texts that are nearly the same agree in part
}

// features in the order of the evidence.
var features = []feature{
	{name: "email", paths: []string{"email"}, m: 0.9, fold: foldEmail},
	{name: "phone", paths: []string{"phone"}, m: 0.9, fold: foldPhone},
	{name: "firstName", paths: []string{"firstName", "first_name"}, m: 0.9, fold: foldText, near: true},
	{name: "lastName", paths: []string{"lastName", "last_name"}, m: 0.93, fold: foldText, near: true},
	{name: "name", paths: []string{"name"}, m: 0.9, fold: foldWords, near: true},
	{name: "birthday", paths: []string{"birthday", "birthDate", "dateOfBirth"}, m: 0.97, fold: foldDate},
	{name: "street", paths: []string{"address.street", "street"}, m: 0.7, fold: foldText, near: true},
	{name: "postalCode", paths: []string{"address.postalCode", "address.postal_code", "postalCode"}, m: 0.75, fold: foldText},
	{name: "company", paths: []string{"company.name", "company"}, m: 0.8, fold: foldText, near: true},
}

// The places of features.
const (
	atEmail = iota
	atPhone
	atFirst
	atLast
	atName
	atBirthday
	atStreet
	atPostal
	atCompany
)

// traitsOf returns what a person has of each feature, folded; "" for nothing.
func traitsOf(p *profile.Profile) []string {
	out := make([]string, len(features))
	for i, f := range features {
		for _, path := range f.paths {
			t := p.TraitAt(path)
			if t == nil {
				continue
			}
			if text, ok := t.Value.StringValueOK(); ok && len(text) <= 200 {
				if out[i] = f.fold(text); out[i] != "" {
					break
				}
			}
		}
	}
	return out
}

// foldText drops case, marks on letters, punctuation and space that says nothing.
func foldText(s string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), strings.ToLower(s))
	if err != nil {
		return ""
	}
	return strings.Join(strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

// foldWords is foldText without the order of the words: "Popescu, Ana" is "Ana Popescu".
func foldWords(s string) string {
	words := strings.Fields(foldText(s))
	slices.Sort(words)
	return strings.Join(words, " ")
}

// foldEmail drops case and what most providers ignore: what follows a +.
func foldEmail(s string) string {
	name, host, ok := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "@")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "+")
	return name + "@" + host
}

// foldPhone keeps the last nine digits: with and without a country's code is one number.
func foldPhone(s string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if len(digits) < 7 {
		return ""
	}
	return digits[max(0, len(digits)-9):]
}

// foldDate keeps the day of an ISO 8601 date.
func foldDate(s string) string {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return ""
	}
	return s[:10]
}

// blocks returns hashes of what people must share to be compared at all.
func blocks(seed maphash.Seed, of []string) []uint64 {
	var out []uint64
	add := func(kind string, at ...int) {
		var b strings.Builder
		b.WriteString(kind)
		for _, i := range at {
			if of[i] == "" {
				return
			}
			b.WriteByte(0)
			b.WriteString(of[i])
		}
		out = append(out, maphash.String(seed, b.String()))
	}
	add("e", atEmail)
	add("p", atPhone)
	add("fl", atFirst, atLast)
	add("n", atName)
	add("lb", atLast, atBirthday)
	add("fb", atFirst, atBirthday)
	add("lz", atLast, atPostal)
	add("nb", atName, atBirthday)
	return out
}

// Agreement is what two people agree on, or do not.
type Agreement struct {
	Feature string
	Bits    float64 // above 0 it speaks for one person, below for two
}

// Similarity is how likely two people are one.
type Similarity struct {
	Score  float64 // 0 to 1: the probability that they are one
	Agrees []Agreement
}

// compare compares two people out of n. usual returns how many people have a value of a
// feature; never below 1.
func compare(a, b []string, n int64, usual func(feature int, value string) int64) Similarity {
	bits := -math.Log2(float64(max(n, 2)))
	var out Similarity
	for i, f := range features {
		if a[i] == "" || b[i] == "" {
			continue
		}
		u := min(0.5, math.Max(float64(max(usual(i, a[i]), usual(i, b[i]))), 2)/float64(max(n, 10)))
		says := math.Log2((1 - f.m) / (1 - u))
		if a[i] == b[i] {
			says = math.Log2(f.m / u)
		} else if f.near {
			if w := winkler(a[i], b[i]); w >= nearFrom {
				full := math.Log2(f.m / u)
				says += (full - says) * (w - nearFrom) / (1 - nearFrom) * nearWeight
			}
		}
		out.Agrees = append(out.Agrees, Agreement{f.name, says})
		bits += says
	}
	out.Score = 1 / (1 + math.Exp2(-bits))
	return out
}

// From this similarity on texts agree in part, at most so much as if they were the same.
const (
	nearFrom   = 0.88
	nearWeight = 0.9
)

// winkler is the similarity of Jaro and Winkler, 0 to 1: W. E. Winkler, "String Comparator
// Metrics and Enhanced Decision Rules in the Fellegi-Sunter Model of Record Linkage"
// (1990).
func winkler(s, t string) float64 {
	a, b := []rune(s), []rune(t)
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	reach := max(max(len(a), len(b))/2-1, 0)
	taken := make([]bool, len(b))
	var matched []rune
	for i, r := range a {
		for j := max(0, i-reach); j < min(len(b), i+reach+1); j++ {
			if !taken[j] && b[j] == r {
				taken[j] = true
				matched = append(matched, r)
				break
			}
		}
	}
	if len(matched) == 0 {
		return 0
	}
	k, swapped := 0, 0
	for j, r := range b {
		if taken[j] {
			if matched[k] != r {
				swapped++
			}
			k++
		}
	}
	m := float64(len(matched))
	jaro := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(swapped/2))/m) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}
