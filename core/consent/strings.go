package consent

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/prebid/go-gdpr/consentconstants"
	gdpr "github.com/prebid/go-gdpr/vendorconsent"
	tcf2 "github.com/prebid/go-gdpr/vendorconsent/tcf2"
	gpp "github.com/prebid/go-gpp"
	gppconstants "github.com/prebid/go-gpp/constants"
	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	tcfPurposes        = 24
	tcfSpecialFeatures = 12
)

// decodeTCF reads a consent string of TCF 2 as far as the library does: publisher
// restrictions and the publisher's own segments stay in the raw string.
func decodeTCF(raw string) (d bson.D, err error) {
	defer caught(&err)
	c, err := gdpr.ParseString(raw)
	if err != nil {
		return nil, err
	}
	d = bson.D{
		{Key: "version", Value: int64(c.Version())}, {Key: "created", Value: c.Created().UTC()}, {Key: "updated", Value: c.LastUpdated().UTC()},
		{Key: "cmpId", Value: int64(c.CmpID())}, {Key: "cmpVersion", Value: int64(c.CmpVersion())}, {Key: "language", Value: c.ConsentLanguage()},
		{Key: "vendorListVersion", Value: int64(c.VendorListVersion())}, {Key: "policyVersion", Value: int64(c.TCFPolicyVersion())},
		{Key: "purposes", Value: numbers(tcfPurposes, func(i int) bool { return c.PurposeAllowed(consentconstants.Purpose(i)) })},
		{Key: "vendors", Value: numbers(int(c.MaxVendorID()), func(i int) bool { return c.VendorConsent(uint16(i)) })},
	}
	if m, ok := c.(tcf2.ConsentMetadata); ok {
		d = append(d,
			bson.E{Key: "purposesByLegitimateInterest", Value: numbers(tcfPurposes, func(i int) bool { return m.PurposeLITransparency(consentconstants.Purpose(i)) })},
			bson.E{Key: "vendorsByLegitimateInterest", Value: numbers(int(m.VendorLegitInterestMaxID()), func(i int) bool { return m.VendorLegitInterest(uint16(i)) })},
			bson.E{Key: "specialFeatures", Value: numbers(tcfSpecialFeatures, func(i int) bool { return m.SpecialFeatureOptIn(uint16(i)) })},
		)
	}
	return d, nil
}

// decodeGPP reads a GPP string: the sections that the library knows in full, of any
// other the number and the text.
func decodeGPP(raw string) (d bson.D, err error) {
	defer caught(&err)
	c, errs := gpp.Parse(raw)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	sections := bson.A{}
	for _, s := range c.Sections {
		one := bson.D{{Key: "id", Value: int64(s.GetID())}}
		if name := gppconstants.SectionNamesByID[int(s.GetID())]; name != "" {
			one = append(one, bson.E{Key: "name", Value: name})
		}
		one = append(one, bson.E{Key: "value", Value: s.GetValue()})
		if s.GetID() == gppconstants.SectionTCFEU2 {
			if tcf, err := decodeTCF(s.GetValue()); err == nil {
				one = append(one, bson.E{Key: "decoded", Value: tcf})
			}
		} else if fields := plain(s); len(fields) > 0 {
			one = append(one, bson.E{Key: "decoded", Value: fields})
		}
		sections = append(sections, one)
	}
	return bson.D{{Key: "version", Value: int64(c.Version)}, {Key: "sections", Value: sections}}, nil
}

// plain returns the segments of a section that the library decoded; nothing of one that
// it does not know.
func plain(s gpp.Section) bson.M {
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	fields := bson.M{}
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	delete(fields, "SectionID")
	delete(fields, "Value")
	for _, segment := range fields {
		if m, ok := segment.(map[string]any); ok {
			legible(m)
		}
	}
	return fields
}

// legible makes numbers of the lists of bytes in a segment.
func legible(m map[string]any) {
	for key, v := range m {
		if f, ok := v.(float64); ok {
			m[key] = int64(f)
		}
		text, ok := v.(string)
		if !ok {
			continue
		}
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			list := make([]int64, len(raw))
			for i, b := range raw {
				list[i] = int64(b)
			}
			m[key] = list
		}
	}
}

// numbers lists those from 1 to n that are set.
func numbers(n int, set func(int) bool) []int64 {
	out := []int64{}
	for i := 1; i <= n; i++ {
		if set(i) {
			out = append(out, int64(i))
		}
	}
	return out
}

// caught makes an error of a panic of a decoder that met what it does not expect.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("decoder: %v", r)
	}
}
