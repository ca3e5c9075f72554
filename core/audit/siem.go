package audit

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// appendOCSF writes an entry as an event of class 6003, API activity, of the Open
// Cybersecurity Schema Framework 1.3 (https://schema.ocsf.io/1.3.0/classes/api_activity).
func appendOCSF(b []byte, r *Record) ([]byte, error) {
	type m = map[string]any
	activity := 2 // read
	if strings.HasPrefix(r.Action, "mutation.") || !strings.Contains(r.Action, ".") {
		activity = 3 // update
	} else if !strings.HasPrefix(r.Action, "query.") && !strings.HasPrefix(r.Action, "subscription.") && !strings.HasPrefix(r.Action, "export.") {
		activity = 99 // other
	}
	status, severity := 1, 1
	if r.Decision == core.Deny {
		status, severity = 2, 3
	}
	line, err := json.Marshal(m{
		"class_uid": 6003, "class_name": "API Activity", "category_uid": 6, "activity_id": activity, "type_uid": 600300 + activity,
		"time": r.At.UnixMilli(), "severity_id": severity, "status_id": status, "status_detail": r.Decision,
		"metadata":  m{"version": "1.3.0", "uid": r.EntryID, "log_name": "audit", "sequence": r.Index, "tenant_uid": r.Workspace, "product": m{"name": "Headwater", "vendor_name": "Headwater"}},
		"actor":     m{"user": m{"uid": r.Actor}},
		"api":       m{"operation": r.Action, "request": m{"uid": r.RequestID}},
		"resources": []m{{"name": r.Resource}},
		"src_endpoint": m{
			"name": "headwater",
		},
		"unmapped": m{
			"purpose": r.Purpose, "reason": r.Reason, "fields": r.Fields, "subjects": r.Subjects, "subject_count": r.SubjectCount,
			"identifiers": r.Identifiers, "details": r.Details, "leaf_hash": r.Hash,
		},
	})
	return append(append(b, line...), '\n'), err
}

var (
	cefHeader    = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefExtension = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// appendCEF writes an entry in the Common Event Format, version 0.
func appendCEF(b []byte, r *Record) []byte {
	severity := "2"
	if r.Decision == core.Deny {
		severity = "6"
	}
	b = append(b, "CEF:0|Headwater|Headwater|1|"...)
	b = append(b, cefHeader.Replace(r.Action)+"|"+cefHeader.Replace(r.Action)+"|"+severity+"|"...)
	pair := func(name, value string) {
		if value != "" {
			b = append(b, name+"="+cefExtension.Replace(value)+" "...)
		}
	}
	pair("rt", strconv.FormatInt(r.At.UnixMilli(), 10))
	pair("externalId", r.EntryID)
	pair("suid", r.Actor)
	pair("act", r.Action)
	pair("outcome", string(r.Decision))
	pair("request", r.RequestID)
	label := func(n, name, value string) {
		if value != "" {
			pair(n+"Label", name)
			pair(n, value)
		}
	}
	label("cs1", "purpose", r.Purpose)
	label("cs2", "reason", r.Reason)
	label("cs3", "resource", r.Resource)
	label("cs4", "fields", strings.Join(r.Fields, ","))
	label("cs5", "subjects", strings.Join(r.Subjects, ","))
	label("cs6", "leafHash", r.Hash)
	label("cn1", "subjectCount", strconv.Itoa(r.SubjectCount))
	label("cn2", "leafIndex", strconv.FormatInt(r.Index, 10))
	b[len(b)-1] = '\n'
	return b
}
