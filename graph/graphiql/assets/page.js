// The page of GraphiQL: it sends the key that was typed above as a bearer token,
// over HTTP and over websockets. Nothing is loaded from other hosts.
(() => {
  'use strict';

  const kept = (id) => {
    const input = document.getElementById(id);
    input.value = sessionStorage.getItem('headwater:' + id) || '';
    input.addEventListener('input', () => sessionStorage.setItem('headwater:' + id, input.value));
    return () => input.value.trim();
  };
  const key = kept('key');
  const purpose = kept('purpose');
  document.getElementById('who').addEventListener('submit', (e) => e.preventDefault());

  // Headers as the editor's pane has them, in lower case, over those of the form.
  let pane = {};
  const headers = () => {
    const all = {};
    if (key()) all.authorization = 'Bearer ' + key();
    if (purpose()) all['x-purpose'] = purpose();
    for (const [name, value] of Object.entries(pane)) all[name.toLowerCase()] = value;
    return all;
  };

  const socket = graphqlWs.createClient({
    url: location.origin.replace(/^http/, 'ws') + '/graphql',
    connectionParams: () => ({ authorization: headers().authorization, purpose: headers()['x-purpose'] }),
    shouldRetry: (event) => event.code !== 4403,
  });
  const send = GraphiQL.createFetcher({
    url: '/graphql',
    enableIncrementalDelivery: false,
    wsClient: socket,
    fetch: (url, init) => fetch(url, { ...init, headers: { 'content-type': 'application/json', ...headers() } }),
  });
  const fetcher = (params, options) => {
    pane = (options && options.headers) || {};
    return send(params, options);
  };

  const first = [
    '# Type a key above, then run a query with Ctrl-Enter.',
    '',
    'query People {',
    '  viewer { name roles }',
    '  profiles(first: 3) {',
    '    edges { node { id identifiers { namespace value } traits } }',
    '  }',
    '}',
    '',
  ].join('\n');
  const root = ReactDOM.createRoot(document.getElementById('graphiql'));
  // Another key may see another schema: the page asks for it anew.
  const show = () => root.render(
    React.createElement(GraphiQL, { key: key(), fetcher, defaultQuery: first, isHeadersEditorEnabled: true, shouldPersistHeaders: false }),
  );
  document.getElementById('key').addEventListener('change', show);
  show();
})();
