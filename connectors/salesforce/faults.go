package salesforce

import (
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// said are the words for errors about one record. The vendor's own would quote the
// value.
var said = map[string]string{
	"REQUIRED_FIELD_MISSING":                  "the field is required: map something to it, or give it a default",
	"INVALID_EMAIL_ADDRESS":                   "the value is not an e-mail address as Salesforce takes it",
	"STRING_TOO_LONG":                         "the value is longer than the field: cut it in the field map, or make the field longer",
	"NUMBER_OUTSIDE_VALID_RANGE":              "the number does not fit the field",
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "the value is not on the picklist: add it there, or map it to one that is",
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         "the value is not of the field's type",
	"JSON_PARSER_ERROR":                       "a value is not of its field's type: map it to text, number or date as the field is",
	"INVALID_FIELD_FOR_INSERT_UPDATE":         "the field cannot be written by the user as whom we work: give access to it, or do not map it",
	"MALFORMED_ID":                            "the value is not a Salesforce id",
	"DUPLICATE_VALUE":                         "another record has this value of a unique field: merge the two in Salesforce",
	"DUPLICATES_DETECTED":                     "a duplicate rule of the organisation refuses the record: merge the two in Salesforce, or let the rule pass over this user",
	"DUPLICATE_EXTERNAL_ID":                   "two records have this external id: remove it from one of them in Salesforce",
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       "a validation rule of the organisation refuses the record",
	"FIELD_FILTER_VALIDATION_EXCEPTION":       "a lookup filter of the organisation refuses the record",
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    "a trigger or flow of the organisation failed on the record",
	"INSUFFICIENT_ACCESS_OR_READONLY":         "the user as whom we work may not write this record: give a permission set for it",
	"MISSING_ARGUMENT":                        "the external id is empty: map something to it",
}

// of is what an error about one record means.
func (e apiError) of(now time.Time) *sdk.Fault {
	switch code := e.code(); code {
	case "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND":
		if code == "INVALID_CROSS_REFERENCE_KEY" && len(e.Fields) > 0 {
			return sdk.InvalidRecord(column(e), "the field points to a record that does not exist").Because(code)
		}
		return sdk.RecordGone("Salesforce has no record with this id any more").Because(code)
	case "REQUEST_LIMIT_EXCEEDED", "STORAGE_LIMIT_EXCEEDED", "INVALID_FIELD", "INVALID_TYPE", "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE":
		return asked(e, now)
	default:
		words := said[code]
		if words == "" {
			words = "Salesforce refuses the record"
		}
		return sdk.InvalidRecord(column(e), words).Because(code)
	}
}
