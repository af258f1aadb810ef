// The page of GraphiQL: asks for a token, keeps it for this tab, and sends it with every operation.
(function () {
  "use strict";
  const example = `# The single customer view. Put a token above, then an id or an identifier below.
query View {
  customerByIdentifier(namespace: "user_id", value: "1") {
    id
    identifiers { namespace value }
    rank { name since }
    rfm { recencyDays frequency monetary currency }
    segments { name since }
    timeline(first: 10) {
      totalCount
      edges { node { name occurredAt properties } }
    }
  }
}
`;
  const field = document.getElementById("token");
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));

  function show() {
    const token = sessionStorage.getItem("token") || "";
    const authorization = "Bearer " + token;
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    const fetcher = GraphiQL.createFetcher({
      url: "/graphql",
      headers: { Authorization: authorization },
      wsClient: graphqlWs.createClient({
        url: scheme + location.host + "/graphql",
        lazy: true,
        connectionParams: { authorization: authorization },
      }),
    });
    root.render(React.createElement(GraphiQL, { key: token, fetcher: fetcher, defaultQuery: example }));
  }

  document.getElementById("credential").addEventListener("submit", function (event) {
    event.preventDefault();
    sessionStorage.setItem("token", field.value.trim());
    show();
  });
  field.value = sessionStorage.getItem("token") || "";
  show();
})();
