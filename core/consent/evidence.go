package consent

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Evidence is what shows that somebody said something: what they were shown, where
// and how they answered, and the string that a consent platform made of it.
type Evidence struct {
	NoticeHash string // of the text that was shown, the SHA-256 of a policy document or a hash of the writer's own
	Locale     string // of that text: "de-AT"
	Surface    string // where: "checkout", "preference centre"
	Method     string // how: "checkbox", "phone call"
	Raw        string // kept as it was given; "" is none
	RawFormat  string // TCF, GPP or GPC; "" without Raw

	link    bson.D // of the link that it was said by: who made it, over which channel it was delivered
	warning string // what is odd about it; kept with it, and no part of what was said
}

// The formats of Raw.
const (
	FormatTCF = "TCF" // IAB Europe's Transparency and Consent Framework
	FormatGPP = "GPP" // IAB's Global Privacy Platform
	FormatGPC = "GPC" // Global Privacy Control: "1"
)

const (
	maxEvidence = 200     // bytes of a field
	maxRaw      = 8 << 10 // bytes of Raw
)

// check refuses evidence that shows nothing, and decodes its string.
func (e *Evidence) check() (decoded bson.D, fault *core.Error) {
	for _, f := range []struct{ path, text string }{
		{"noticeHash", e.NoticeHash}, {"locale", e.Locale}, {"surface", e.Surface}, {"method", e.Method},
	} {
		if strings.TrimSpace(f.text) == "" || len(f.text) > maxEvidence {
			return nil, core.Errorf(core.Invalid, "EVIDENCE_FIELD", "evidence says what was shown, in which language, where and how, each in at most %d bytes", maxEvidence).At(f.path)
		}
	}
	switch {
	case e.Raw == "" && e.RawFormat == "":
		return nil, nil
	case e.Raw == "":
		return nil, core.Errorf(core.Invalid, "RAW_MISSING", "a format needs the string that is in it").At("raw")
	case len(e.Raw) > maxRaw:
		return nil, core.Errorf(core.Invalid, "RAW_TOO_LONG", "a consent string has at most %d bytes", maxRaw).At("raw")
	}
	var err error
	switch e.RawFormat {
	case FormatTCF:
		decoded, err = decodeTCF(e.Raw)
	case FormatGPP:
		decoded, err = decodeGPP(e.Raw)
	case FormatGPC:
		if strings.TrimSpace(e.Raw) != "1" {
			return nil, core.Errorf(core.Invalid, "RAW_INVALID", `a Global Privacy Control signal is "1"`).At("raw")
		}
		decoded = bson.D{{Key: "saleOrSharing", Value: false}}
	default:
		return nil, core.Errorf(core.Invalid, "RAW_FORMAT", "the format of a consent string is TCF, GPP or GPC").At("rawFormat")
	}
	if err != nil {
		return nil, core.Errorf(core.Invalid, "RAW_INVALID", "this is no %s string", e.RawFormat).Wrap(err).At("raw")
	}
	return decoded, nil
}

// WarningNotice is the warning about evidence whose NoticeHash is that of no policy
// document of the workspace.
const WarningNotice = "NOTICE_UNKNOWN"

// noticed returns evidence with its warning. A signal of a browser was shown no notice.
func (s *Service) noticed(ctx context.Context, ws string, e *Evidence) (*Evidence, error) {
	if e == nil || e.RawFormat == FormatGPC {
		return e, nil
	}
	c := *e
	known, err := s.published(ctx, ws, e.NoticeHash)
	if !known {
		c.warning = WarningNotice
	}
	return &c, storeError("look for the notice", err)
}

// kept is document with the link and the warning.
func (e *Evidence) kept(decoded bson.D) bson.D {
	d := append(e.document(decoded), e.link...)
	if e.warning != "" {
		d = append(d, bson.E{Key: "warning", Value: e.warning})
	}
	return d
}

// document is how the ledger keeps evidence.
func (e *Evidence) document(decoded bson.D) bson.D {
	d := bson.D{
		{Key: "noticeHash", Value: e.NoticeHash}, {Key: "locale", Value: e.Locale},
		{Key: "surface", Value: e.Surface}, {Key: "method", Value: e.Method},
	}
	if e.Raw != "" {
		d = append(d, bson.E{Key: "raw", Value: e.Raw}, bson.E{Key: "rawFormat", Value: e.RawFormat}, bson.E{Key: "decoded", Value: decoded})
	}
	return d
}
