package hubspot

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

func (s *server) listProperties(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	list := slices.DeleteFunc(slices.Clone(t.kind.properties), func(p property) bool { return p.Archived })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"results": list})
	return nil
}

func (s *server) getProperty(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	p, ok := t.kind.property(r.PathValue("name"))
	if !ok {
		return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "The property "+r.PathValue("name")+" does not exist")
	}
	sandbox.WriteJSON(w, http.StatusOK, p)
	return nil
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

func (s *server) createProperty(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	p, bad := body[property](r)
	if bad != nil {
		return bad
	}
	if bad := t.kind.define(p); bad != nil {
		return bad
	}
	made, _ := t.kind.property(p.Name)
	sandbox.WriteJSON(w, http.StatusCreated, made)
	return nil
}

// define adds a property to a type.
func (o *objectType) define(p property) *fault {
	switch _, had := o.property(p.Name); {
	case had:
		return failed(http.StatusConflict, "CONFLICT", "A property named '"+p.Name+"' already exists.")
	case !propertyName.MatchString(p.Name):
		return invalid("Invalid property name: %s", p.Name)
	case !slices.Contains([]string{"string", "number", "date", "datetime", "enumeration", "bool"}, p.Type):
		return invalid("Invalid property type: %s", p.Type)
	}
	if p.Options == nil {
		p.Options = []option{}
	}
	p.Modification.Archivable = true
	o.properties = append(o.properties, p)
	return nil
}

func (s *server) archiveProperty(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	i := slices.IndexFunc(t.kind.properties, func(p property) bool { return p.Name == r.PathValue("name") && !p.HubspotDefined })
	if i < 0 {
		return invalid("The property %s cannot be archived", r.PathValue("name"))
	}
	t.kind.properties = slices.Delete(t.kind.properties, i, i+1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (o *objectType) described() schema {
	d := *o.schema
	d.Properties = o.properties
	return d
}

func (s *server) listSchemas(w http.ResponseWriter, _ *http.Request) *fault {
	list := []schema{}
	for _, t := range s.store.tables {
		if t.kind.schema != nil {
			list = append(list, t.kind.described())
		}
	}
	slices.SortFunc(list, func(a, b schema) int { return cmp.Compare(a.ObjectTypeID, b.ObjectTypeID) })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"results": list})
	return nil
}

func (s *server) getSchema(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil || t.kind.schema == nil {
		return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "Unable to find schema: "+r.PathValue("type"))
	}
	sandbox.WriteJSON(w, http.StatusOK, t.kind.described())
	return nil
}

func (s *server) createSchema(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[schema](r)
	if bad != nil {
		return bad
	}
	full := "p" + portal + "_" + in.Name
	if _, had := s.store.names[full]; had {
		return failed(http.StatusConflict, "CONFLICT", "An object type named "+full+" already exists")
	}
	if !propertyName.MatchString(in.Name) || in.Labels.Singular == "" {
		return invalid("name and labels are required")
	}
	now := stamp(s.desk.Clock.Now())
	id := strconv.Itoa(1001 + len(s.store.tables))
	kind := newType("2-"+id, in.Name, full, "hs_lastmodifieddate", in.Name+"_information")
	for _, p := range in.Properties {
		if bad := kind.define(p); bad != nil {
			return bad
		}
	}
	in.ID, in.ObjectTypeID, in.FullyQualifiedName, in.CreatedAt, in.UpdatedAt = id, "2-"+id, full, now, now
	if in.Associations == nil {
		in.Associations = []any{}
	}
	kind.schema = &in
	s.store.add(kind)
	sandbox.WriteJSON(w, http.StatusCreated, kind.described())
	return nil
}
