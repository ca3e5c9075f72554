// Shows a Headwater form where <div data-headwater-form="…"> stands, and sends what is
// written into it. Texts are set as text, never as markup.
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script) return;
  var base = script.src.replace(/\.js(\?.*)?$/, "");
  var id = base.slice(base.lastIndexOf("/") + 1);
  var known = new URLSearchParams(location.search).get("hw_v") || "";

  function make(tag, props, kids) {
    var el = document.createElement(tag);
    Object.keys(props || {}).forEach(function (k) {
      if (k === "text") el.textContent = props[k];
      else if (props[k] !== false && props[k] != null) el.setAttribute(k, props[k] === true ? "" : props[k]);
    });
    (kids || []).forEach(function (k) { el.appendChild(k); });
    return el;
  }

  var inputs = { EMAIL: "email", PHONE: "tel", NUMBER: "text", DATE: "date", CHECKBOX: "checkbox", HIDDEN: "hidden" };

  function control(f, name) {
    var props = { id: name, name: f.key, required: f.required && f.type !== "CHECKBOX", "aria-describedby": name + "-error" };
    if (f.type === "LONG_TEXT") return make("textarea", Object.assign(props, { text: f.value }));
    if (f.type === "CHOICE") {
      return make("select", props, [make("option", { value: "" })].concat(f.options.map(function (o) {
        return make("option", { value: o, text: o, selected: o === f.value });
      })));
    }
    props.type = inputs[f.type] || "text";
    if (f.type === "CHECKBOX") { props.value = "true"; props.checked = f.value === "true"; } else props.value = f.value;
    return make("input", props);
  }

  function show(host, form) {
    var n = 0;
    function row(key, label, input, name) {
      return make("p", {}, [make("label", { "for": name, text: label }), input, make("span", { id: name + "-error", role: "alert", "data-error": key })]);
    }
    var rows = form.fields.filter(function (f) { return f.type !== "HIDDEN"; }).map(function (f) {
      var name = "hw-" + id + "-" + n++;
      return row("values." + f.key, f.label, control(f, name), name);
    });
    form.consents.forEach(function (c) {
      var name = "hw-" + id + "-" + n++;
      rows.push(row("consents." + c.key, c.text, make("input", { id: name, type: "checkbox", "data-consent": c.key, required: c.required }), name));
    });
    var trap = make("div", { "aria-hidden": "true", hidden: true }, [make("input", { name: "website", tabindex: "-1", autocomplete: "off" })]);
    var status = make("p", { role: "status" });
    var el = make("form", { lang: form.locale, novalidate: true }, [make("h2", { text: form.title })]
      .concat(form.intro ? [make("p", { text: form.intro })] : [])
      .concat(form.blocks.map(function (t) { return make("p", { text: t }); }))
      .concat(rows, [trap, make("button", { type: "submit", text: form.submit }), status]));
    el.addEventListener("submit", function (e) {
      e.preventDefault();
      var values = {}, consents = {};
      Array.prototype.forEach.call(el.elements, function (i) {
        if (i.dataset.consent) consents[i.dataset.consent] = i.checked;
        else if (i.name) values[i.name] = i.type === "checkbox" ? (i.checked ? "true" : "") : i.value;
      });
      el.querySelectorAll("[data-error]").forEach(function (s) { s.textContent = ""; });
      fetch(base, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ values: values, consents: consents, token: form.token, known: known })
      }).then(function (r) { return r.json(); }).then(function (a) {
        if (a.ok) {
          host.replaceChildren(make("p", { role: "status", text: a.thanks }));
          if (a.gatedUrl) host.appendChild(make("a", { href: a.gatedUrl, text: a.gatedUrl }));
          return;
        }
        (a.errors || []).forEach(function (f) {
          var at = el.querySelector('[data-error="' + f.path.join(".").replace(/["\\]/g, "") + '"]') || status;
          at.textContent = f.message;
        });
      }, function () { status.textContent = "\u26a0"; });
    });
    host.replaceChildren(el);
  }

  fetch(base + ".json" + (known ? "?v=" + encodeURIComponent(known) : "")).then(function (r) { return r.json(); }).then(function (form) {
    document.querySelectorAll('[data-headwater-form="' + id + '"]').forEach(function (host) { show(host, form); });
  });
})();
