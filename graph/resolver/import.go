package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// previewRows is how many rows a dry run shows.
const previewRows = 50

// StartImport answers Mutation.startImport.
func (r mutation) StartImport(ctx context.Context, in gen.StartImportInput) (*gen.StartImportPayload, error) {
	out := &gen.StartImportPayload{}
	opt, content, err := importOptions(in)
	if err == nil && value(in.DryRun) {
		var rows []ingest.PreviewRow
		rows, err = r.Resolver.Ingest.PreviewImport(ctx, workspace(ctx), opt, strings.NewReader(content), previewRows)
		out.Preview = pointers(rows)
	} else if err == nil {
		out.Job, err = r.Resolver.Ingest.StageImport(ctx, r.Jobs, workspace(ctx), opt, strings.NewReader(content))
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.StartImportPayload{UserErrors: errs}, err
	}
	return out, nil
}

func importOptions(in gen.StartImportInput) (ingest.ImportOptions, string, error) {
	opt := ingest.ImportOptions{Format: ingest.NDJSON, Source: value(in.Source), Type: value(in.Type)}
	csv := in.Content.CSV
	if csv == nil {
		return opt, value(in.Content.Ndjson), nil
	}
	opt.Format = ingest.CSV
	var err error
	opt.Comma, opt.Mapping, err = columns(csv)
	return opt, csv.Text, err
}

// columns returns what separates cells and what the columns are, nil when they say
// so themselves.
func columns(in *gen.CSVInput) (separator byte, mapping map[string]string, err error) {
	if separator, err = comma(in.Separator, "content", "csv", "separator"); err != nil {
		return 0, nil, err
	}
	for _, c := range in.Columns {
		if mapping == nil {
			mapping = map[string]string{}
		}
		mapping[c.Column] = c.Target
	}
	return separator, mapping, nil
}

func comma(s string, path ...string) (byte, error) {
	if len(s) != 1 {
		return 0, core.Errorf(core.Invalid, "COMMA", "the separator is one ASCII character").At(path...)
	}
	return s[0], nil
}

// Type answers ImportRow.type.
func (r importFields) Type(_ context.Context, row *ingest.PreviewRow) (*string, error) {
	return text(string(row.Type)), nil
}

// Name answers ImportRow.name.
func (r importFields) Name(_ context.Context, row *ingest.PreviewRow) (*string, error) {
	return text(row.Name), nil
}

// Error answers ImportRow.error.
func (r importFields) Error(_ context.Context, row *ingest.PreviewRow) (*core.Error, error) {
	return row.Result.Err, nil
}
