function showThinking(){}
function showNearest(){}
